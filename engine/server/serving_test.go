package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

const chatPath = "/v1/chat/completions"

// Who may ask, and how.
func TestDoor(t *testing.T) {
	keys, err := ReadKeys(strings.NewReader("# keys\n\nalice alice-0123456789abcdef\nbob-0123456789abcdef\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, WithKeys(keys), WithMaxBody(1000))
	s.refused("POST", chatPath, chatBody(""), 401, "invalid_api_key", "")
	s.refused("GET", "/v1/models", "", 401, "invalid_api_key", "")
	s.refused("GET", "/metrics", "", 401, "invalid_api_key", "")
	for _, bad := range []string{"wrong", "alice-0123456789abcdeF", "alice-0123456789abcdef0", ""} {
		s.key = bad
		s.refused("GET", "/v1/models", "", 401, "invalid_api_key", "")
	}
	r := s.request("GET", "/v1/models", "")
	r.Header.Set("Authorization", "Basic alice-0123456789abcdef")
	if w, _ := s.do(r); w.StatusCode != 401 || w.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("Basic: %d", w.StatusCode)
	}
	s.key = ""
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		if w, b := s.do(s.request("GET", path, "")); w.StatusCode != 200 || !strings.Contains(string(b), `"ok"`) {
			t.Errorf("%s: %d %s", path, w.StatusCode, b)
		}
	}
	for _, good := range []string{"alice-0123456789abcdef", "bob-0123456789abcdef"} {
		s.key = good
		s.post(chatPath, chatBody(`"max_tokens": 1`))
	}
	other, err := ReadKeys(strings.NewReader("carol-0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetKeys(other); err != nil {
		t.Fatal(err)
	}
	s.refused("GET", "/v1/models", "", 401, "invalid_api_key", "")
	if s.SetKeys(nil) == nil {
		t.Error("a server with keys can be left without")
	}
	s.key = "carol-0123456789abcdef"

	s.refused("GET", chatPath, "", 405, "method_not_allowed", "")
	s.refused("POST", "/v1/models", "{}", 405, "method_not_allowed", "")
	s.refused("DELETE", "/v1/models/tiny", "", 405, "method_not_allowed", "")
	s.refused("GET", "/v1/models/other", "", 404, codeModel, "model")
	s.refused("GET", "/", "", 404, "not_found", "")
	s.refused("POST", "/v1/chat", "{}", 404, "not_found", "")
	s.refused("POST", chatPath, chatBody(`"user": "`+strings.Repeat("x", 1000)+`"`), 413, "body_too_large", "")
	s.refused("POST", chatPath, "", 415, "unsupported_media_type", "")
	r = s.request("POST", chatPath, chatBody(""))
	r.Header.Set("Content-Type", "text/plain")
	w, b := s.do(r)
	s.isError(w, b, "text/plain", 415, "unsupported_media_type", "")
	r = s.request("POST", chatPath, chatBody(""))
	r.Header.Set("Content-Encoding", "gzip")
	w, b = s.do(r)
	s.isError(w, b, "gzip", 415, "unsupported_media_type", "")
	r = s.request("POST", chatPath, "")
	r.Header.Set("Content-Type", "application/json")
	w, b = s.do(r)
	s.isError(w, b, "empty", 400, codeJSON, "")
	r, _ = http.NewRequest("POST", s.url+chatPath, io.MultiReader(strings.NewReader(chatBody("")), strings.NewReader(strings.Repeat(" ", 2000)))) // its length is not told
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.key)
	w, b = s.do(r)
	s.isError(w, b, "chunks", 413, "body_too_large", "")
	if w, _ = s.do(s.request("GET", chatPath, "")); w.Header.Get("Allow") != "POST" {
		t.Errorf("Allow is %q", w.Header.Get("Allow"))
	}
	if got := decoded(t, second(s.do(s.request("GET", "/v1/models", "")))); got.text("data", 0, "id") != "tiny" || got.text("object") != "list" {
		t.Errorf("%v", got.v)
	}
	if got := decoded(t, second(s.do(s.request("GET", "/v1/models/tiny", "")))); got.text("id") != "tiny" || got.int("max_model_len") != 4096 {
		t.Errorf("%v", got.v)
	}
	for _, bad := range []string{"", "# none", "short", "a b c0123456789abcdefgh", "alice-0123456789abcdef\nalice-0123456789abcdef"} {
		if _, err := ReadKeys(strings.NewReader(bad)); err == nil {
			t.Errorf("keys %q: no error", bad)
		}
	}
}

// The time that a key takes to be found tells nothing of it: the first of many takes as long as the last, and as one that is none.
func TestKeysConstantTime(t *testing.T) {
	var file strings.Builder
	const n = 4000
	for i := range n {
		fmt.Fprintf(&file, "key-0123456789-%05d\n", i)
	}
	keys, err := ReadKeys(strings.NewReader(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	times := map[string][]time.Duration{}
	asked := []string{"key-0123456789-00000", fmt.Sprintf("key-0123456789-%05d", n-1), "none-of-them-0123456"}
	for range 51 {
		for _, key := range asked { // in turns
			start := time.Now()
			if _, _, ok := keys.find("Bearer " + key); ok != strings.HasPrefix(key, "key") {
				t.Fatalf("%s: %v", key, ok)
			}
			times[key] = append(times[key], time.Since(start))
		}
	}
	var middle []time.Duration
	for _, key := range asked {
		slices.Sort(times[key])
		middle = append(middle, times[key][25])
	}
	if t.Logf("%v", middle); slices.Max(middle) > 3*slices.Min(middle) { // one that stops where it finds the key is a thousand times as fast
		t.Errorf("the first, the last and no key take %v", middle)
	}
}

func second[A, B any](_ A, b B) B { return b }

// Pages of the browser get nothing: neither under a name of their own for this machine, nor from another origin.
func TestHostAndOrigin(t *testing.T) {
	s := newSite(t)
	for host, want := range map[string]int{"localhost": 200, "LOCALHOST:1234": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.nip.io": 403, "10.0.0.1:80": 403} {
		r := s.request("GET", "/v1/models", "")
		r.Host = host
		if w, b := s.do(r); w.StatusCode != want {
			t.Errorf("host %s: %d %s, want %d", host, w.StatusCode, b, want)
		}
	}
	r := s.request("POST", chatPath, chatBody(`"max_tokens": 1`))
	r.Header.Set("Origin", "https://evil.example")
	w, b := s.do(r)
	s.isError(w, b, "origin", 403, "cross_origin", "")
	if w.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("an origin is let in")
	}
	r = s.request("OPTIONS", chatPath, "")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	if w, _ := s.do(r); w.StatusCode != 405 || w.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight: %d", w.StatusCode)
	}
	named := newSite(t, WithHosts("models.example"))
	r = named.request("GET", "/v1/models", "")
	r.Host = "models.example:8080"
	if w, _ := named.do(r); w.StatusCode != 200 {
		t.Errorf("a host that is named: %d", w.StatusCode)
	}
	named.refused("GET", "/v1/models", "", 403, "host_not_allowed", "")
}

// A full queue answers at once; what waits is answered in the end.
func TestOverload(t *testing.T) {
	noLeak(t)
	s := newSite(t, WithSlots(1), WithQueue(2))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	m, release, err := s.models.use(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() { // what has the slot computes all the time
		defer release()
		for ctx.Err() == nil {
			m.Generate(ctx, []int32{1, 2, 3}, engine.Gen{MaxTokens: 1000}).Text() //nolint:errcheck // it is ended
		}
	})
	blocked := s.queue.join(1)
	long := chatBody(`"max_tokens": 4, "stream": true`)
	for range 3 {
		r := s.request("POST", chatPath, long).WithContext(ctx)
		running.Go(func() {
			if w, err := http.DefaultClient.Do(r); err == nil {
				io.Copy(io.Discard, w.Body) //nolint:errcheck // it is cut
				w.Body.Close()              //nolint:errcheck // read-only
			}
		})
	}
	waitFor(t, "as many inside as may be", func() bool { return s.inside.Load() == 3 })
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var times lockedTimes
	refusals := soak(100, 1000, 10_000)
	for range refusals {
		start := time.Now()
		w, b := s.do(s.request("POST", chatPath, chatBody(`"user": "`+strings.Repeat("x", 100_000)+`"`)))
		times.add(time.Since(start))
		if s.isError(w, b, "overload", 429, "queue_full", ""); w.Header.Get("Retry-After") == "" {
			t.Fatal("no Retry-After")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("refusals took %v", &times)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if middle := times.all[len(times.all)/2]; middle > 50*time.Millisecond { // single ones wait for the processor where others have it
		t.Errorf("a refusal takes %v, want under 50ms", middle)
	}
	blocked.leave()
	cancel()
	running.Wait()
	waitFor(t, "the slots are free", func() bool { busy, waiting := s.Busy(); return busy == 0 && waiting == 0 })
	s.post(chatPath, chatBody(`"max_tokens": 1`))
}

// noEnd is a bias that keeps the tiny model from ending.
func noEnd(t testing.TB, s *site) string {
	t.Helper()
	m, release, err := s.models.use(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	var all []string
	for _, id := range m.Tokenizer().EOG() {
		all = append(all, fmt.Sprintf(`"%d": -100`, id))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// An answer never holds another conversation's text, whoever asks at the same time.
func TestCanaries(t *testing.T) {
	requests := soak(200, 10_000, 10_000)
	keys, err := ReadKeys(strings.NewReader("a key-a-0123456789abcdef\nb key-b-0123456789abcdef\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, WithKeys(keys), WithQueue(1000))
	alone := func(key, word string) string {
		return fmt.Sprintf(`{"messages": [{"role": "system", "content": "The word is %s."}, {"role": "user", "content": "Say it."}], "max_tokens": 10, "temperature": 0.8, "seed": 3}`, word)
	}
	// What each conversation says when nobody else is there: equal answers under load are those of its own text alone.
	want := map[string]string{}
	s.key = "key-a-0123456789abcdef"
	const words = 20
	for i := range words {
		word := fmt.Sprintf("canary%03d", i)
		want[word] = s.post(chatPath, alone("", word)).text("choices", 0, "message", "content")
	}
	different := map[string]bool{}
	for _, text := range want {
		different[text] = true
	}
	if len(different) < words/2 {
		t.Fatalf("only %d answers differ; the test could not tell", len(different))
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for {
				i := int(next.Add(1))
				if i > requests {
					return
				}
				word := fmt.Sprintf("canary%03d", i%words)
				r := s.request("POST", chatPath, alone("", word))
				r.Header.Set("Authorization", "Bearer key-"+[]string{"a", "b"}[i%2]+"-0123456789abcdef")
				w, b := s.do(r)
				if w.StatusCode != 200 {
					t.Errorf("%d %s", w.StatusCode, b)
					return
				}
				if got := decoded(t, b).text("choices", 0, "message", "content"); got != want[word] {
					t.Errorf("%s gets %q, alone it got %q", word, got, want[word])
				}
			}
		})
	}
	wg.Wait()
}

// While nothing is sent comments keep a stream open, and a request that waits for its slot has one.
func TestKeepAlive(t *testing.T) {
	s := newSite(t, WithSlots(1), WithKeepAlive(20*time.Millisecond))
	blocked := s.queue.join(1)
	w, err := http.DefaultClient.Do(s.request("POST", chatPath, chatBody(`"max_tokens": 2, "stream": true`)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close() //nolint:errcheck // read-only
	sc := bufio.NewScanner(w.Body)
	for comments := 0; comments < 3 && sc.Scan(); {
		switch line := sc.Text(); {
		case line == ": keep-alive":
			comments++
		case line != "":
			t.Errorf("before its turn: %q", line)
		}
	}
	blocked.leave()
	rest := ""
	for sc.Scan() {
		rest += sc.Text() + "\n"
	}
	if !strings.HasSuffix(rest, "data: [DONE]\n\n") {
		t.Errorf("and then: %q", rest)
	}
}

// Another model takes a name's place while requests go on with the one before; that closes with its last request.
func TestReload(t *testing.T) {
	files := []string{chatFile(t, "chatml", nil), chatFile(t, "chatml", map[string]any{"qwen2.context_length": uint32(2048)})}
	var opened, closed atomic.Int64
	broken := false
	ms := NewModels()
	err := ms.Add("m", func(context.Context) (Opened, error) {
		if broken {
			return Opened{}, fmt.Errorf("no such file")
		}
		m, err := engine.Open(files[int(opened.Add(1)-1)%2], engine.WithThreads(1))
		if err != nil {
			return Opened{}, err
		}
		return Opened{Model: m, Close: func() error { closed.Add(1); return m.Close() }}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if ms.Add("m", nil) == nil || ms.Add("a b", nil) == nil {
		t.Error("a name that is taken or none is let pass")
	}
	h, err := NewSet(ms)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, h)
	s.refused("POST", chatPath, chatBodyOf("m"), 503, "model_loading", "")
	if w, b := s.do(s.request("GET", "/readyz", "")); w.StatusCode != 503 || !strings.Contains(string(b), "loading") {
		t.Errorf("before: %d %s", w.StatusCode, b)
	}
	if w, _ := s.do(s.request("GET", "/livez", "")); w.StatusCode != 200 {
		t.Errorf("livez: %d", w.StatusCode)
	}
	if err := ms.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w, _ := s.do(s.request("GET", "/readyz", "")); w.StatusCode != 200 {
		t.Errorf("after: %d", w.StatusCode)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	answers := atomic.Int64{}
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if w, b := s.do(s.request("POST", chatPath, strings.Replace(chatBodyOf("m"), "{", `{"max_tokens": 10, `, 1))); w.StatusCode != 200 {
					t.Errorf("%d %s", w.StatusCode, b)
					return
				}
				answers.Add(1)
			}
		})
	}
	for range 10 {
		n := answers.Load()
		waitFor(t, "answers", func() bool { return answers.Load() > n+3 })
		if err := s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	broken = true
	if err := s.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a model that cannot be opened: %v", err)
	}
	n := answers.Load()
	waitFor(t, "answers of the model that was there", func() bool { return answers.Load() > n+3 })
	close(stop)
	wg.Wait()
	if opened.Load() != 11 || closed.Load() != 10 {
		t.Errorf("%d were opened, %d closed", opened.Load(), closed.Load())
	}
	if err := ms.Close(); err != nil || closed.Load() != 11 {
		t.Errorf("%d were closed in the end (%v)", closed.Load(), err)
	}
	s.refused("POST", chatPath, chatBodyOf("m"), 503, "model_loading", "")
}

// The logs tell who asked when, with hashes in place of texts.
func TestLogs(t *testing.T) {
	keys, err := ReadKeys(strings.NewReader("alice alice-0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	var audit, log lockedBuffer
	s := newSite(t, WithKeys(keys), WithAudit(&audit), WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
	s.key = "alice-0123456789abcdef"
	const secret = "the secret word is xyzzy"
	body := `{"messages": [{"role": "user", "content": "` + secret + `"}], "max_tokens": 3}`
	_, answer := s.do(s.request("POST", chatPath, body))
	waitFor(t, "a line", func() bool { return strings.Contains(audit.String(), "\n") })
	var line auditLine
	if err := json.Unmarshal([]byte(audit.String()), &line); err != nil {
		t.Fatal(err)
	}
	sum := func(b []byte) string { x := sha256.Sum256(b); return hex.EncodeToString(x[:]) }
	if line.Key != "alice" || line.Path != chatPath || line.Status != 200 || line.RequestSHA256 != sum([]byte(body)) || line.ResponseSHA256 != sum(answer) || line.Model != "tiny" ||
		line.PromptTokens == 0 || line.CompletionTokens == 0 {
		t.Errorf("%+v", line)
	}
	s.refused("POST", chatPath, `{"x": 1}`, 400, codeUnknown, "x")
	waitFor(t, "a line for what is refused", func() bool { return strings.Count(audit.String(), "\n") == 2 })
	waitFor(t, "the log", func() bool { return strings.Count(log.String(), "\n") == 2 })
	for _, text := range []string{secret, "xyzzy", "alice-0123456789abcdef"} {
		if strings.Contains(log.String(), text) || strings.Contains(audit.String(), text) {
			t.Errorf("%q stands in a log:\n%s\n%s", text, log.String(), audit.String())
		}
	}
	if !strings.Contains(log.String(), codeUnknown) {
		t.Errorf("the log does not say what was wrong:\n%s", log.String())
	}
	_, text := s.do(s.request("GET", "/metrics", ""))
	for _, want := range []string{`freehold_requests_total{path="/v1/chat/completions",status="200"} 1`, `freehold_requests_total{path="/v1/chat/completions",status="400"} 1`,
		"freehold_slots 8", "freehold_slots_busy 0", `freehold_request_duration_seconds_bucket{path="/v1/chat/completions",le="+Inf"} 2`, "freehold_time_to_first_token_seconds_count 1"} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("/metrics lacks %q:\n%s", want, text)
		}
	}
	metric := regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+]+$`)
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSuffix(l, "\n"); !strings.HasPrefix(l, "# ") && !metric.MatchString(l) {
			t.Errorf("not a line of Prometheus' format: %q", l)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// The description names all endpoints and fields, and a page may stand beside them.
func TestDescription(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page %s", r.URL.Path) })
	s := newSite(t, WithPage(page), WithVersion("1.2.3"))
	d := decoded(t, second(s.do(s.request("GET", "/openapi.json", ""))))
	if d.text("openapi") != "3.1.0" || d.text("info", "version") != "1.2.3" {
		t.Errorf("%v", d.at("info"))
	}
	for _, e := range endpoints {
		if d.at("paths", e.path, strings.ToLower(e.method), "responses", "200") == nil {
			t.Errorf("%s %s is not described", e.method, e.path)
		}
	}
	fields, _ := d.at("components", "schemas", "chatRequest", "properties").(map[string]any)
	if d.text("components", "schemas", "chatRequest", "properties", "model", "anyOf", 0, "enum", 0) != "tiny" {
		t.Error("the models are not named")
	}
	for _, want := range []string{"messages", "temperature", "logit_bias", "tools", "stream_options", "seed"} {
		if fields[want] == nil {
			t.Errorf("chatRequest lacks %s", want)
		}
	}
	if d.at("components", "schemas", "chatRequest", "additionalProperties") != false {
		t.Error("unknown fields are let pass by the description")
	}
	_, text := s.do(s.request("GET", "/openapi.json", ""))
	for _, ref := range regexp.MustCompile(`#/components/schemas/(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if d.at("components", "schemas", ref[1]) == nil {
			t.Errorf("%s leads nowhere", ref[0])
		}
	}
	if _, b := s.do(s.request("GET", "/index.html", "")); string(b) != "page /index.html" {
		t.Errorf("the page says %q", b)
	}
	s.Drain()
	if w, b := s.do(s.request("GET", "/readyz", "")); w.StatusCode != 503 || !strings.Contains(string(b), "draining") {
		t.Errorf("draining: %d %s", w.StatusCode, b)
	}
	if w, _ := s.do(s.request("HEAD", "/livez", "")); w.StatusCode != 200 {
		t.Errorf("HEAD: %d", w.StatusCode)
	}
	for _, bad := range []Option{WithSlots(0), WithQueue(-1), WithMaxBody(0), WithKeepAlive(0)} {
		if _, err := NewSet(NewModels(), bad); err == nil {
			t.Error("an option out of range is let pass")
		}
	}
}
