package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/models/egress"
	"github.com/freehold-slm/freehold/models/gguf"
)

const (
	hub        = "https://huggingface.co/"
	urlTries   = 5           // in a row without a new byte
	stallAfter = time.Minute // without a byte
)

// elsewhere are the hosts to which the hub sends on who asks for a file.
var elsewhere = []string{".huggingface.co", ".hf.co"}

// allowed is the gate to the hosts that the catalogue names for a file, and to the mirror of the hub that the user has set.
func allowed(a Artefact) *egress.Gate {
	var hosts []string
	for _, s := range append([]Source{{URL: os.Getenv("HF_ENDPOINT")}}, a.Sources...) {
		if u, err := url.Parse(s.URL); err == nil && u.Hostname() != "" && !slices.Contains(hosts, u.Hostname()) {
			hosts = append(hosts, u.Hostname())
		}
		if strings.HasPrefix(s.URL, hub) {
			hosts = append(hosts, elsewhere...)
		}
	}
	return egress.New(hosts...)
}

// fromURL downloads a file and goes on where an earlier attempt stopped. The
// hub's address follows HF_ENDPOINT, as the hub's own tools have it.
func (p *puller) fromURL(ctx context.Context, address string, a Artefact, whole string) error {
	if mirror := os.Getenv("HF_ENDPOINT"); mirror != "" && strings.HasPrefix(address, hub) {
		address = strings.TrimSuffix(mirror, "/") + "/" + strings.TrimPrefix(address, hub)
	}
	var last error
	for tries := 0; tries < urlTries; tries++ {
		have := int64(0)
		if st, err := os.Stat(whole); err == nil {
			have = st.Size()
		}
		if have > a.Bytes {
			if err := os.Remove(whole); err != nil {
				return err
			}
			have = 0
		}
		if have == a.Bytes {
			return nil
		}
		got, retry, err := p.download(ctx, address, have, a, whole)
		if err == nil && have+got == a.Bytes {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%s: the download ended at byte %d of %d", address, have+got, a.Bytes)
		}
		last = err
		if !retry || ctx.Err() != nil {
			return err
		}
		if got > 0 {
			tries = -1 // progress: start counting anew
		}
		p.log("download interrupted, going on", "url", address, "at", have+got, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(p.retry):
		}
	}
	return last
}

// download appends bytes from offset have on; got counts them. retry says
// whether trying again can help.
func (p *puller) download(ctx context.Context, address string, have int64, a Artefact, whole string) (got int64, retry bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("User-Agent", "freehold")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := p.gate.Do(req)
	if err != nil {
		// an address that does not answer at all will not do so in a second;
		// one that answered before may
		return 0, have > 0, err
	}
	defer resp.Body.Close()
	want := a.Bytes
	switch resp.StatusCode {
	case http.StatusOK:
		if have > 0 { // the server knows no ranges: from the start
			if err := os.Remove(whole); err != nil {
				return 0, false, err
			}
		}
	case http.StatusPartialContent:
		var lo, hi, total int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &lo, &hi, &total); err != nil || lo != have || total != a.Bytes {
			return 0, false, fmt.Errorf("%s: Content-Range is %q, want bytes %d-%d/%d", address, resp.Header.Get("Content-Range"), have, a.Bytes-1, a.Bytes)
		}
		want -= have
	default:
		busy := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
		return 0, busy, fmt.Errorf("%s: %s", address, resp.Status)
	}
	if n := resp.ContentLength; n >= 0 && n != want {
		return 0, false, fmt.Errorf("%s: the server offers %d bytes, the catalogue wants %d", address, n, want)
	}
	f, err := p.append(whole)
	if err != nil {
		return 0, false, err
	}
	stall := time.AfterFunc(stallAfter, func() { cancel(fmt.Errorf("no byte for %v", stallAfter)) })
	defer stall.Stop()
	w := &counter{f: f, each: func(n int64) {
		stall.Reset(stallAfter)
		p.progress(a.Bytes-want+n, a.Bytes, "downloading "+a.Name)
	}}
	_, err = io.Copy(w, io.LimitReader(resp.Body, want))
	if w.failed == nil {
		w.failed = f.Sync()
	}
	if closed := f.Close(); w.failed == nil {
		w.failed = closed
	}
	if w.failed != nil {
		return w.n, false, fmt.Errorf("%s: %w", whole, w.failed)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return w.n, true, fmt.Errorf("%s: %w", address, err)
	}
	return w.n, true, nil
}

// counter counts what it writes and keeps a writing error apart from a reading one.
type counter struct {
	f      gguf.FSFile
	n      int64
	each   func(n int64)
	failed error
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.f.Write(b)
	c.n += int64(n)
	c.each(c.n)
	c.failed = errors.Join(c.failed, err)
	return n, err
}
