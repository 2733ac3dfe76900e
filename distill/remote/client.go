package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/models/egress"
)

// Config says where to ask, and how gently.
type Config struct {
	Endpoint          *url.URL      // such as https://host/v1
	Key               string        // sent as a bearer token; "" = none
	Timeout           time.Duration // of one request, to the last byte of its answer
	Retries           int
	RequestsPerMinute int           // 0 = as fast as they are answered
	TokensPerMinute   int           // of question and answer, as they are estimated
	Linger            time.Duration // how long requests on their way may go on after the context has ended: they are paid for
}

// Client asks one endpoint. It may be used by several goroutines.
type Client struct {
	timeout, rest  time.Duration // of Config: Timeout and Linger
	retries        int
	gate           *egress.Gate
	key            string
	host, endpoint string
	pace           *pace
	backoff        time.Duration // before the second try; doubled for each after it
}

// Waits between tries.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = time.Minute
	maxAfter     = 15 * time.Minute // a server that wants a longer rest is left alone
)

// New makes a client; only its endpoint can be spoken to.
func New(c Config) (*Client, error) {
	gate, err := egress.To(c.Endpoint)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(c.Key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the key holds spaces, line ends or characters that no key has; it is not shown here")
	}
	return &Client{timeout: c.Timeout, rest: c.Linger, retries: c.Retries, gate: gate, key: c.Key, host: c.Endpoint.Host, endpoint: strings.TrimSuffix(c.Endpoint.String(), "/"), pace: newPace(c.RequestsPerMinute, c.TokensPerMinute), backoff: firstBackoff}, nil
}

// Chat asks a question, as Request.Body has it, of about so many tokens with its answer. What may pass by is tried again: 408, 429, 5xx and connections that fail.
func (c *Client) Chat(ctx context.Context, body []byte, tokens int) (*Answer, error) {
	for try := 1; ; try++ {
		if err := c.pace.wait(ctx, tokens); err != nil {
			return nil, err
		}
		a, err := c.once(ctx, body)
		if err == nil {
			a.Tries = try
			return a, nil
		}
		var e *Error
		if !errors.As(err, &e) || ctx.Err() != nil {
			return nil, err
		}
		if e.Tries = try; !e.retry || try > c.retries {
			return nil, e
		}
		if e.after > maxAfter {
			e.Fix = fmt.Sprintf("it asks to be left alone for %v (Retry-After): run again then", e.after.Round(time.Second))
			return nil, e
		}
		c.pace.pause(e.after) // everybody, for it is not this question alone that is too much
		if err := c.pace.sleep(ctx, c.wait(try)); err != nil {
			return nil, err
		}
	}
}

// wait is the time before another try: doubled each time, and anything from half of it on, that those who were turned away together do not come back together.
func (c *Client) wait(try int) time.Duration {
	d := maxBackoff
	if try < 16 {
		d = min(d, c.backoff<<(try-1))
	}
	return d/2 + rand.N(d/2+1)
}

// once makes one request.
func (c *Client) once(ctx context.Context, body []byte) (*Answer, error) {
	on, cancel := c.linger(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(on, http.MethodPost, c.endpoint+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "freehold")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	failed := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.unreachable(err, c.timeout, on.Err() != nil)
	}
	resp, err := c.gate.Do(req)
	if err != nil {
		return nil, failed(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(resp)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, failed(err)
	}
	if len(b) > maxReply {
		return nil, &Error{Host: c.host, Status: resp.StatusCode, Msg: fmt.Sprintf("the answer is more than %d MiB long", maxReply>>20)}
	}
	return c.read(b, resp.Header.Get("Content-Type"))
}

// linger is a context for one request: with its timeout, and outliving ctx by the time that is left to requests on their way.
func (c *Client) linger(ctx context.Context) (context.Context, context.CancelFunc) {
	on, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(c.rest, cancel) })
	return on, func() { stop(); cancel() }
}

// read reads an answer of success.
func (c *Client) read(b []byte, kind string) (*Answer, error) {
	bad := func(msg, fix string) error {
		return &Error{Host: c.host, Status: http.StatusOK, Msg: msg, Fix: fix}
	}
	var r reply
	if err := json.Unmarshal(b, &r); err != nil {
		media, _, _ := mime.ParseMediaType(kind)
		if media == "text/html" || strings.HasPrefix(strings.TrimSpace(plain(b)), "a web page") {
			return nil, bad("the answer is "+c.said(plain(b))+", not JSON", "is there a proxy or a login page in between, and does teacher.openai end as the server wants it (as a rule with /v1)?")
		}
		return nil, bad(fmt.Sprintf("the answer is not a chat completion: %s: %s", c.said(err.Error()), c.said(string(b))), "is this an OpenAI-compatible server?")
	}
	a, err := r.answer()
	if err != nil {
		return nil, bad(fmt.Sprintf("%v: %s", err, c.said(string(b))), "is this an OpenAI-compatible server?")
	}
	for _, s := range []*string{&a.Text, &a.Refusal} {
		*s = strings.ToValidUTF8(c.hide(*s), "\ufffd")
	}
	for _, s := range []*string{&a.Finish, &a.Model, &a.Fingerprint} {
		*s = c.said(*s)
	}
	for i := range a.Tokens {
		t := &a.Tokens[i]
		t.Text = c.hide(t.Text)
		for k := range t.Top {
			t.Top[k].Text = c.hide(t.Top[k].Text)
		}
	}
	return a, nil
}
