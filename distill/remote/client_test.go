package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// canary is a key that no text of ours may hold.
const canary = "canary-key-4fe1b2c3d4"

const good = `{"model":"m-2026","system_fingerprint":"fp_1","choices":[{"finish_reason":"stop","message":{"content":"yes"},"logprobs":{"content":[{"token":"yes","logprob":-0.25,"bytes":[121,101,115],"top_logprobs":[{"token":"yes","logprob":-0.25},{"token":"no","logprob":-1.5}]}]}}],"usage":{"prompt_tokens":11,"completion_tokens":1}}`

// ask makes a server of a handler, and a client of it that waits a hundredth of the time.
func ask(t *testing.T, h http.HandlerFunc, change func(*Config)) (*Client, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	conf := Config{Endpoint: u, Key: canary, Timeout: 5 * time.Second, Retries: 3}
	if change != nil {
		change(&conf)
	}
	c, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	c.backoff = 5 * time.Millisecond
	return c, s
}

func body(t *testing.T) []byte {
	t.Helper()
	b, err := (&Request{Model: "m", User: "yes or no?", MaxTokens: 4, Top: 20}).Body()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is sent is what the question says, and what comes back is read whole.
func TestChat(t *testing.T) {
	var got map[string]any
	c, _ := ask(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/chat/completions" || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+canary {
			t.Errorf("%s %s, key %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, good)
	}, nil)
	b, err := (&Request{Model: "m", System: "be short", User: "yes or <no>?", MaxTokens: 4, Top: 20, Format: json.RawMessage(`{"type":"json_object"}`), Params: `{"seed": null, "reasoning_effort": "low"}`}).Body()
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Chat(t.Context(), b, 20)
	if err != nil {
		t.Fatal(err)
	}
	if a.Text != "yes" || a.Finish != "stop" || a.Model != "m-2026" || a.Fingerprint != "fp_1" || a.In != 11 || a.Out != 1 || a.Tries != 1 || len(a.Tokens) != 1 || len(a.Tokens[0].Top) != 2 || a.Tokens[0].Top[1] != (Likely{"no", -1.5}) {
		t.Errorf("%+v", a)
	}
	want := `{"logprobs":true,"max_tokens":4,"messages":[{"content":"be short","role":"system"},{"content":"yes or <no>?","role":"user"}],"model":"m","reasoning_effort":"low","response_format":{"type":"json_object"},"temperature":0,"top_logprobs":20}`
	var back any
	if err := json.Unmarshal([]byte(want), &back); err != nil || fmt.Sprint(got) != fmt.Sprint(back) {
		t.Errorf("sent %v, want %v", got, back)
	}
	for _, params := range []string{`{"model": "other"}`, `{"messages": []}`, `{"stream": true}`, `{"n": 2}`, `[]`, `null`, `{"a":`} {
		if _, err := (&Request{Params: params}).Body(); err == nil {
			t.Errorf("params %s are taken", params)
		}
	}
}

// Each fault of a server: what is said of it, how often it is asked, and the key is in none of it.
func TestFaults(t *testing.T) {
	say := func(status int, kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, text) //nolint:errcheck // the client may have left
		}
	}
	complaint := func(code, msg string) string {
		return fmt.Sprintf(`{"error":{"message":%q,"type":"t","code":%q}}`, msg, code)
	}
	cut := func(w http.ResponseWriter, r *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(good), good[:40])
		b.Flush()
		c.Close()
	}
	trickle := func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(good) && r.Context().Err() == nil; i++ {
			io.WriteString(w, good[i:i+1])        //nolint:errcheck // the client leaves
			http.NewResponseController(w).Flush() //nolint:errcheck // the client leaves
			time.Sleep(40 * time.Millisecond)
		}
	}
	huge := func(w http.ResponseWriter, r *http.Request) {
		chunk := strings.Repeat(" ", 1<<20)
		for n := range 200 {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
			if n == 100 {
				t.Error("100 MiB of an answer were taken")
			}
		}
	}
	for _, c := range []struct {
		name  string
		h     http.HandlerFunc
		asked int // -1 = once and again
		says  []string
	}{
		{"wrong key", say(401, "application/json", complaint("invalid_api_key", "Incorrect API key provided: "+canary)), 1, []string{"401", "Incorrect API key provided: [key]", "is the key the one of this host?"}},
		{"no access", say(403, "application/json", complaint("", "no access")), 1, []string{"403", "no access"}},
		{"model missing", say(404, "application/json", complaint("model_not_found", "no model m")), 1, []string{"404", "no model m", "teacher.model", "/v1/models"}},
		{"no such path", say(404, "text/plain", "404 page not found\n"), 1, []string{"404 page not found", "teacher.openai"}},
		{"context too long", say(400, "application/json", complaint("context_length_exceeded", "too long by 7")), 1, []string{"400", "too long by 7"}},
		{"no credit", say(429, "application/json", complaint("insufficient_quota", "You exceeded your current quota")), 1, []string{"429", "credit"}},
		{"busy", say(429, "application/json", complaint("", "slow down")), 4, []string{"429", "slow down", "after 4 tries"}},
		{"timeout of the server", say(408, "", ""), 4, []string{"408"}},
		{"down", say(503, "text/html", "<html><head><title>503 Backend\nfetch failed</title></head>"), 4, []string{"503", `a web page, "503 Backend fetch failed"`}},
		{"broken", say(500, "application/json", `{"error":"out of memory"}`), 4, []string{"500", "out of memory"}},
		{"not tried again", say(418, "application/json", `{"detail":[{"msg":"no"}]}`), 1, []string{"418", `"msg":"no"`}},
		{"a proxy's page", say(200, "text/html; charset=utf-8", "<!DOCTYPE html><html><title>Please log in</title>"+canary), 1, []string{`a web page, "Please log in"`, "proxy"}},
		{"bad JSON", say(200, "application/json", good[:len(good)-9]), 1, []string{"not a chat completion", "OpenAI-compatible"}},
		{"other JSON", say(200, "application/json", `{"hello":"`+canary+`"}`), 1, []string{"0 choices", "[key]"}},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.org/"+canary, http.StatusPermanentRedirect)
		}, 1, []string{"308", "sends us on to https://example.org/[key]", "nothing is sent"}},
		{"cut", cut, 4, []string{"cut in the midst"}},
		{"trickle", trickle, 4, []string{"no whole answer within 300ms"}},
		{"huge", huge, 1, []string{"more than 16 MiB"}},
		{"huge complaint", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400); huge(w, r) }, 1, []string{"400"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			client, _ := ask(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); c.h(w, r) }, func(conf *Config) {
				if c.name == "trickle" {
					conf.Timeout = 300 * time.Millisecond
				}
			})
			_, err := client.Chat(t.Context(), body(t), 20)
			var e *Error
			if !errors.As(err, &e) || int(asked.Load()) != c.asked {
				t.Fatalf("asked %d times, want %d: %v", asked.Load(), c.asked, err)
			}
			for _, want := range append(c.says, "127.0.0.1:") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(fmt.Sprintf("%+v %#v", e, e), canary) || strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 1000 {
				t.Errorf("%q", err)
			}
			if got, want := e.TooLong(), c.name == "context too long"; got != want {
				t.Errorf("too long: %v", got)
			}
			t.Log(err)
		})
	}
}

// A server that is not there, and one that does not speak TLS.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	strange := httptest.NewTLSServer(http.NotFoundHandler()) // whose certificate nobody knows
	defer strange.Close()
	for address, want := range map[string]string{"http://" + nobody: "cannot be reached", strings.Replace(plain.URL, "http:", "https:", 1): "TLS", strange.URL: "certificate is not trusted"} {
		u, _ := url.Parse(address)
		c, err := New(Config{Endpoint: u, Timeout: 5 * time.Second, Retries: 1})
		if err != nil {
			t.Fatal(err)
		}
		c.backoff = time.Millisecond
		if _, err := c.Chat(t.Context(), body(t), 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}

// A key that is none is refused before it goes anywhere, and not shown.
func TestKey(t *testing.T) {
	u, _ := url.Parse("https://example.org/v1")
	for _, key := range []string{canary + "\n", canary + "\r\nX-Other: 1", canary + " x", "schlüssel"} {
		if _, err := New(Config{Endpoint: u, Key: key}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", key, err)
		}
	}
	c, err := New(Config{Endpoint: u, Key: canary})
	if err != nil || c.hide("a "+canary+" b") != "a [key] b" {
		t.Errorf("%v", err)
	}
	if c, _ := New(Config{Endpoint: u, Key: "none"}); c.hide("none of them") != "none of them" {
		t.Error("a key that is a word is taken out of answers")
	}
}

// What passes by is tried again, after as long as the server asks for, and then there is an answer.
func TestRetryAfter(t *testing.T) {
	asked, first := 0, time.Time{}
	c, _ := ask(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			first = time.Now()
			w.Header().Set("Retry-After", "0.3")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, good)
	}, nil)
	a, err := c.Chat(t.Context(), body(t), 20)
	if err != nil || a.Tries != 2 || time.Since(first) < 300*time.Millisecond {
		t.Errorf("%+v, %v, after %v", a, err, time.Since(first))
	}
	c, _ = ask(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	}, nil)
	asked = 0
	if _, err := c.Chat(t.Context(), body(t), 20); asked != 1 || err == nil || !strings.Contains(err.Error(), "run again then") {
		t.Errorf("an hour's rest: asked %d times, %v", asked, err)
	}
}

// Waits double up to a minute, and are never less than half.
func TestBackoff(t *testing.T) {
	c, _ := ask(t, nil, nil)
	c.backoff = firstBackoff
	for i, want := range []time.Duration{firstBackoff, 2 * firstBackoff, 4 * firstBackoff, 8 * firstBackoff} {
		for range 100 {
			if d := c.wait(i + 1); d < want/2 || d > want {
				t.Fatalf("after try %d it waits %v, want %v to %v", i+1, d, want/2, want)
			}
		}
	}
	if d := c.wait(1000); d < maxBackoff/2 || d > maxBackoff {
		t.Errorf("the thousandth waits %v", d)
	}
}

// A context that ends stops waiting at once; a request on its way may come to its end, for it is paid.
func TestLinger(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := ask(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		time.Sleep(100 * time.Millisecond)
		fmt.Fprint(w, good)
	}, func(conf *Config) { conf.Linger = 3 * time.Second })
	if a, err := c.Chat(ctx, body(t), 1); err != nil || a.Text != "yes" {
		t.Errorf("%+v, %v", a, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	c, _ = ask(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // only then a server notices who leaves
		cancel()
		<-r.Context().Done()
	}, func(conf *Config) { conf.Linger = 10 * time.Millisecond })
	start := time.Now()
	if _, err := c.Chat(ctx, body(t), 1); !errors.Is(err, context.Canceled) || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	ctx, cancel = context.WithCancel(t.Context())
	c, _ = ask(t, func(w http.ResponseWriter, r *http.Request) { defer cancel(); w.WriteHeader(503) }, func(conf *Config) { conf.Retries = 100 })
	c.backoff = time.Hour
	if _, err := c.Chat(ctx, body(t), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Requests are spaced by whichever limit is the stricter, and a pause is for all.
func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	start := now
	p := newPace(60, 6000) // one a second, 100 tokens a second
	p.now = func() time.Time { return now }
	p.sleep = func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
	for i, step := range []struct {
		tokens int
		at     time.Duration
	}{{10, 0}, {300, 1 * time.Second}, {10, 4 * time.Second}, {10, 5 * time.Second}} {
		if err := p.wait(t.Context(), step.tokens); err != nil || now.Sub(start) != step.at {
			t.Errorf("request %d goes at %v, want %v (%v)", i, now.Sub(start), step.at, err)
		}
	}
	p.pause(time.Minute)
	if err := p.wait(t.Context(), 1); err != nil || now.Sub(start) != 65*time.Second {
		t.Errorf("after a pause: %v, %v", now.Sub(start), err)
	}
	if err := newPace(0, 0).wait(t.Context(), 1e6); err != nil {
		t.Error(err)
	}
}

// A purse is never overdrawn by what its holders may come to, and waits for those that may come to less.
func TestPurse(t *testing.T) {
	for _, c := range []struct {
		budget Budget
		key    string
		fits   int
	}{{Budget{Requests: 3}, "max_requests", 3}, {Budget{Tokens: 100}, "max_tokens", 8}, {Budget{Cost: 0.5}, "max_cost", 25}, {Budget{Requests: 30, Tokens: 24}, "max_tokens", 2}} {
		p := &Purse{Budget: c.budget, Prices: Prices{In: 1000, Out: 2000}} // a question of 4 + 8 tokens: 0.02
		n := 0
		for ; n < 100; n++ {
			settle, err := p.Hold(4, 8)
			var e *BudgetError
			if errors.As(err, &e) && e.Key == c.key {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			settle(1, 4, 8)
		}
		if n != c.fits {
			t.Errorf("%+v: %d questions fit, want %d", c.budget, n, c.fits)
		}
	}
	p := &Purse{Budget: Budget{Tokens: 20}}
	settle, err := p.Hold(5, 10)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error)
	go func() { _, err := p.Hold(5, 10); second <- err }()
	select {
	case err := <-second:
		t.Fatalf("the second did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	settle(1, 3, 2)
	if err := <-second; err != nil || p.Spent().In != 3 {
		t.Errorf("%v, %+v", err, p.Spent())
	}
}
