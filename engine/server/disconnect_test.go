package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// leaver is a client that leaves in the middle of an answer: once it has been sent so many pieces of text.
type leaver struct {
	httptest.ResponseRecorder
	leave         func()
	after, pieces int
}

// A piece holds one token or more: letters alone leave none unsent.
var textPiece = regexp.MustCompile(`"(content|text|delta|response)": ?"(\\"|[a-z])`)

func (l *leaver) Write(b []byte) (int, error) {
	if l.pieces < l.after { // then it has left
		if l.pieces += len(textPiece.FindAll(b, -1)); l.pieces >= l.after {
			l.leave()
		}
	}
	return l.ResponseRecorder.Write(b)
}

// Whoever leaves a stream frees its slots within a token: none is generated but those on their way, one a choice, and then the slots are free.
func TestLeaveWithinAToken(t *testing.T) {
	s := newSite(t, WithSlots(3))
	const after, most = 5, 1000
	gen := fmt.Sprintf(`"temperature": 0.5, "seed": 1, "max_tokens": %d, "logit_bias": %s, "grammar": "root ::= [a-z]+", "stream": true`, most, noEnd(t, s))
	options := fmt.Sprintf(`"model": "tiny", "options": {"num_predict": %d, "seed": 1}, "format": {"type": "string", "pattern": "^[a-z]{%d,}$"}`, most, most)
	for _, c := range []struct {
		path, body string
		choices    int
	}{
		{chatPath, chatBody(gen), 1},
		{chatPath, chatBody(gen + `, "n": 3`), 3},
		{"/v1/completions", `{"prompt": "a", ` + gen + `}`, 1},
		{"/v1/completions", `{"prompt": "a", "n": 2, ` + gen + `}`, 2},
		{"/v1/responses", fmt.Sprintf(`{"input": "a", "stream": true, "max_output_tokens": %d, "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "string", "pattern": "^[a-z]{%d,}$"}}}}`, most, most), 1},
		{"/api/chat", `{"messages": [{"role": "user", "content": "a"}], ` + options + `}`, 1},
		{"/api/generate", `{"prompt": "a", ` + options + `}`, 1},
	} {
		ctx, leave := context.WithCancel(t.Context())
		w := &leaver{ResponseRecorder: *httptest.NewRecorder(), leave: leave, after: after}
		before := s.metrics.generated.Load()
		s.ServeHTTP(w, s.request("POST", c.path, c.body).WithContext(ctx))
		leave()
		busy, waiting := s.Busy()
		if n := int(s.metrics.generated.Load() - before); n < after || n > w.pieces+c.choices || busy != 0 || waiting != 0 || s.inside.Load() != 0 {
			t.Errorf("%s with %d choices: %d tokens for %d pieces when the client left after %d; %d slots busy, %d waiting\n%.500s", c.path, c.choices, n, w.pieces, after, busy, waiting, w.Body)
		}
	}
}

// Clients that leave free their slot, wherever they leave.
func TestDisconnects(t *testing.T) {
	noLeak(t)
	drops := soak(100, 1000, 1000)
	s := newSite(t, WithSlots(3), WithQueue(100))
	address := strings.TrimPrefix(s.url, "http://")
	body := chatBody(`"max_tokens": 4000, "temperature": 0, "logit_bias": ` + noEnd(t, s) + `, "stream": true`)
	whole := strings.Replace(body, `"stream": true`, `"n": 2`, 1)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 10)
	for i := range drops {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close() //nolint:errcheck // that is the point
			text := body
			if i%4 == 3 {
				text = whole
			}
			cut := len(text)
			if i%10 == 9 {
				cut /= 2 // within the body
			}
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", chatPath, len(text), text[:cut])
			if i%4 != 3 && cut == len(text) && i%3 != 0 { // some read a little
				line, _ := bufio.NewReader(io.LimitReader(c, int64(300+7*i))).ReadString('\n')
				if !strings.HasPrefix(line, "HTTP/1.1 200") {
					t.Errorf("%q", line)
				}
			} else {
				time.Sleep(time.Duration(i%7) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	waitFor(t, "no slot is busy", func() bool { busy, waiting := s.Busy(); return busy == 0 && waiting == 0 && s.inside.Load() == 0 })
	s.post(chatPath, chatBody(`"max_tokens": 1`))
}

// A client that does not read is taken for one that has left.
func TestStalledReader(t *testing.T) {
	s := newSite(t)
	s.cfg.patience = 50 * time.Millisecond
	const tokens, choices = 4000, 8
	body := chatBody(fmt.Sprintf(`"max_tokens": %d, "n": %d, "temperature": 0, "logit_bias": %s, "stream": true`, tokens, choices, noEnd(t, s)))
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()                         //nolint:errcheck // nothing is wanted of it
	c.(*net.TCPConn).SetReadBuffer(4 << 10) //nolint:errcheck // a larger one fills later
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", chatPath, len(body), body)
	waitFor(t, "a slot is taken", func() bool { busy, _ := s.Busy(); return busy > 0 })
	waitFor(t, "the slots are free", func() bool { busy, _ := s.Busy(); return busy == 0 && s.inside.Load() == 0 })
	if n := s.metrics.generated.Load(); n == 0 || n >= tokens*choices {
		t.Errorf("%d tokens were generated of %d, want some and not all", n, tokens*choices)
	}
}
