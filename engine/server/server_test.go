package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/tiny"
	"github.com/freehold-slm/freehold/models/token"
)

// edited writes a copy of a fixture with some keys set (nil: left out).
func edited(t testing.TB, fixture string, set map[string]any) string {
	t.Helper()
	f, err := gguf.Open(filepath.Join("..", "..", "testdata", "models", fixture))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read-only
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		if _, ok := set[kv.Key]; !ok {
			w.Set(kv.Key, kv.Value)
		}
	}
	for key, v := range set {
		if v != nil {
			w.Set(key, v)
		}
	}
	for _, x := range f.Tensors {
		w.AddTensor(x.Name, x.Type, x.Shape, x.Data)
	}
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// chatFile is a tiny model with a chat template of testdata/chat, and room for it.
func chatFile(t testing.TB, template string, set map[string]any) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "testdata", "chat", template+".jinja"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{"tokenizer.chat_template": string(source), "qwen2.context_length": uint32(4096)}
	for k, v := range set {
		all[k] = v
	}
	return edited(t, "qwen2.Q8_0.gguf", all)
}

func open(t testing.TB, path string, opts ...engine.Option) *engine.Model {
	t.Helper()
	m, err := engine.Open(path, append(opts, engine.WithThreads(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// encoder is a tiny model for embeddings.
func encoder(t testing.TB) *engine.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "encoder.gguf")
	if err := tiny.Encoders[0].Writer().WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

// site is a server under test.
type site struct {
	t testing.TB
	*Server
	url string
	key string
}

func serve(t testing.TB, s *Server) *site {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return &site{t: t, Server: s, url: h.URL}
}

// newSite serves a tiny chat model.
func newSite(t testing.TB, opts ...Option) *site {
	t.Helper()
	return serve(t, New(open(t, chatFile(t, "chatml", nil)), opts...))
}

func (s *site) request(method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
	}
	return r
}

func (s *site) do(r *http.Request) (*http.Response, []byte) {
	s.t.Helper()
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close() //nolint:errcheck // read-only
	b, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w, b
}

// post gives the answer to a request that is good.
func (s *site) post(path, body string) document {
	s.t.Helper()
	w, b := s.do(s.request("POST", path, body))
	if w.StatusCode != 200 {
		s.t.Fatalf("POST %s %s: status %d: %s", path, body, w.StatusCode, b)
	}
	return decoded(s.t, b)
}

// refused holds the answer to a request that is not good against what is wanted.
func (s *site) refused(method, path, body string, status int, code, param string) {
	s.t.Helper()
	w, b := s.do(s.request(method, path, body))
	s.isError(w, b, method+" "+path+" "+body, status, code, param)
}

func (s *site) isError(w *http.Response, b []byte, what string, status int, code, param string) {
	s.t.Helper()
	var e struct {
		Error *struct {
			Message, Type string
			Param, Code   *string
		}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error == nil || e.Error.Message == "" || e.Error.Type == "" {
		s.t.Errorf("%.200s: %v: not an error: %s", what, err, b)
		return
	}
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	if w.StatusCode != status || text(e.Error.Code) != code || text(e.Error.Param) != param {
		s.t.Errorf("%.200s: %d, code %q, param %q (%s); want %d, %q, %q", what, w.StatusCode, text(e.Error.Code), text(e.Error.Param), e.Error.Message, status, code, param)
	}
}

// document is decoded JSON.
type document struct{ v any }

func decoded(t testing.TB, b []byte) document {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("no JSON: %v: %s", err, b)
	}
	return document{v}
}

// at goes down by keys and indices; nil where there is nothing.
func (d document) at(path ...any) any {
	v := d.v
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (d document) text(path ...any) string { s, _ := d.at(path...).(string); return s }
func (d document) int(path ...any) int     { f, _ := d.at(path...).(float64); return int(f) }

// event is one of a stream.
type event struct {
	name string
	data document
}

// stream posts a request and gives all events but [DONE], and whether that came.
func (s *site) stream(path, body string) (events []event, done bool) {
	s.t.Helper()
	w, err := http.DefaultClient.Do(s.request("POST", path, body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close() //nolint:errcheck // read-only
	if got := w.Header.Get("Content-Type"); w.StatusCode != 200 || !strings.HasPrefix(got, "text/event-stream") {
		b, _ := io.ReadAll(w.Body)
		s.t.Fatalf("POST %s %s: status %d, %s: %s", path, body, w.StatusCode, got, b)
	}
	sc := bufio.NewScanner(w.Body)
	sc.Buffer(nil, 1<<20)
	name := ""
	for sc.Scan() {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		case line == "data: [DONE]":
			done = true
		case strings.HasPrefix(line, "data: "):
			if done {
				s.t.Errorf("an event behind [DONE]: %s", line)
			}
			events = append(events, event{name, decoded(s.t, []byte(line[6:]))})
			name = ""
		case line != "" && !strings.HasPrefix(line, ":"):
			s.t.Errorf("a line of a stream that is none: %q", line)
		}
	}
	if err := sc.Err(); err != nil {
		s.t.Error(err)
	}
	return events, done
}

// waitFor waits for something that must come, a minute at most: a busy machine may be slow.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// noLeak holds the goroutines at the end against those now.
func noLeak(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		for range 200 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d at the beginning\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
	})
}

var noSpecial token.EncodeOptions

const hello = `"messages": [{"role": "user", "content": "Hello."}]`

func chatBody(fields string) string {
	if fields != "" {
		fields = ", " + fields
	}
	return fmt.Sprintf(`{"model": "tiny", %s%s}`, hello, fields)
}
