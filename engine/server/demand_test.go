package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// shelf is models on demand, with how often each was opened and closed.
type shelf struct {
	*site
	ms             *Models
	opened, closed map[string]*atomic.Int64
	bytes          int64 // of a file
	broken         atomic.Bool
	slow           chan struct{} // an opening waits for it; nil = none does
}

func newShelf(t *testing.T, names []string, demand func(bytes int64) Demand, opts ...Option) *shelf {
	t.Helper()
	path := chatFile(t, "chatml", nil)
	s := &shelf{ms: NewModels(), opened: map[string]*atomic.Int64{}, closed: map[string]*atomic.Int64{}}
	for _, name := range names {
		opened, closed := &atomic.Int64{}, &atomic.Int64{}
		s.opened[name], s.closed[name] = opened, closed
		err := s.ms.Add(name, func(context.Context) (Opened, error) {
			if s.broken.Load() {
				return Opened{}, fmt.Errorf("/secret/path: no such file")
			}
			if s.slow != nil {
				<-s.slow
			}
			opened.Add(1)
			m, err := engine.Open(path, engine.WithThreads(1))
			if err != nil {
				return Opened{}, err
			}
			s.bytes = m.File().Size
			return Opened{Model: m, SHA256: "sum", Close: func() error { closed.Add(1); return m.Close() }}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.bytes = open(t, path).File().Size
	if err := s.ms.OnDemand(demand(s.bytes)); err != nil {
		t.Fatal(err)
	}
	if err := s.ms.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := NewSet(s.ms, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.site = serve(t, h)
	t.Cleanup(func() { s.ms.Close() }) //nolint:errcheck // read-only
	return s
}

// ask is a request to a model; its status.
func (s *shelf) ask(name string) int {
	w, _ := s.do(s.request("POST", chatPath, strings.Replace(chatBodyOf(name), "{", `{"max_tokens": 2, `, 1)))
	return w.StatusCode
}

// states are what /v1/models says, by name.
func (s *shelf) states() string {
	s.t.Helper()
	var list modelList
	if err := json.Unmarshal(second(s.do(s.request("GET", "/v1/models", ""))), &list); err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, m := range list.Data {
		if m.MaxModelLen != 4096 {
			s.t.Errorf("%s: a context of %d", m.ID, m.MaxModelLen)
		}
		all = append(all, m.ID+" "+m.State)
	}
	return strings.Join(all, ", ")
}

// Models open with their first request, once for all who ask at the same time, and the one that was idle for longest makes room for
// another; who is pinned or in use stays.
func TestOnDemand(t *testing.T) {
	noLeak(t)
	s := newShelf(t, []string{"a", "b", "c"}, func(n int64) Demand { return Demand{KeepAlive: -1, Memory: 2*n + n/2, Pinned: []string{"a"}} })
	if got := s.states(); got != "a loaded, b not-loaded, c not-loaded" {
		t.Fatalf("at first: %s", got)
	}
	if w, _ := s.do(s.request("GET", "/readyz", "")); w.StatusCode != 200 {
		t.Errorf("readyz: %d", w.StatusCode)
	}
	before := s.opened["b"].Load()
	s.slow = make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if code := s.ask("b"); code != 200 {
				t.Errorf("a first request: %d", code)
			}
		})
	}
	waitFor(t, "eight wait", func() bool { s.ms.mu.Lock(); defer s.ms.mu.Unlock(); return s.ms.find("b").waiting == 8 })
	if got := s.states(); got != "a loaded, b loading, c not-loaded" {
		t.Errorf("meanwhile: %s", got)
	}
	close(s.slow)
	wg.Wait()
	if n := s.opened["b"].Load() - before; n != 1 {
		t.Errorf("eight first requests opened the model %d times", n)
	}
	if code := s.ask("c"); code != 200 { // b goes: a is pinned
		t.Errorf("%d", code)
	}
	if got := s.states(); got != "a loaded, b not-loaded, c loaded" {
		t.Errorf("with room for two: %s", got)
	}
	if o, c := s.opened["b"].Load(), s.closed["b"].Load(); o != c {
		t.Errorf("b was opened %d times and closed %d", o, c)
	}
	// c is in use: b finds no room, and is told so.
	_, release, err := s.ms.use(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	s.refused("POST", chatPath, chatBodyOf("b"), 503, codeMemory, "")
	release()
	if code := s.ask("b"); code != 200 {
		t.Errorf("once c is idle: %d", code)
	}
	if _, text := s.do(s.request("GET", "/metrics", "")); !strings.Contains(string(text), "freehold_model_evictions_total 2\n") || !strings.Contains(string(text), "freehold_models_open 2\n") {
		t.Errorf("/metrics:\n%s", text)
	}
	// A model that cannot be opened is its requests' error, without the path, and is tried again.
	s.broken.Store(true)
	w, b := s.do(s.request("POST", chatPath, chatBodyOf("c")))
	if s.isError(w, b, "broken", 503, "model_failed", ""); strings.Contains(string(b), "secret") {
		t.Errorf("the client is told %s", b)
	}
	s.broken.Store(false)
	if code := s.ask("c"); code != 200 {
		t.Errorf("whole again: %d", code)
	}
	// Who leaves while a model opens leaves nothing behind.
	s.slow = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, _, err := s.ms.use(ctx, "b"); left <- err }()
	waitFor(t, "one waits", func() bool { s.ms.mu.Lock(); defer s.ms.mu.Unlock(); return s.ms.find("b").waiting == 1 })
	cancel()
	if err := <-left; err == nil {
		t.Error("a request that was given up has a model")
	}
	close(s.slow)
	waitFor(t, "b is open all the same", func() bool { return strings.Contains(s.states(), "b loaded") })
	if err := s.ms.Close(); err != nil {
		t.Fatal(err)
	}
	for name := range s.opened {
		if o, c := s.opened[name].Load(), s.closed[name].Load(); o != c {
			t.Errorf("%s was opened %d times and closed %d", name, o, c)
		}
	}
	if code := s.ask("a"); code != 503 {
		t.Errorf("after the end: %d", code)
	}
}

// A model closes when its time is over, which requests of ollama's form set.
func TestKeepModel(t *testing.T) {
	s := newShelf(t, []string{"a", "b"}, func(int64) Demand { return Demand{KeepAlive: 30 * time.Millisecond, Pinned: []string{"b"}} })
	closes := func(why string) {
		t.Helper()
		waitFor(t, why, func() bool { return s.states() == "a not-loaded, b loaded" })
	}
	s.ask("a")
	closes("its time is over")
	s.post("/api/generate", `{"model": "a", "keep_alive": "1h"}`)
	time.Sleep(60 * time.Millisecond)
	if got := s.states(); got != "a loaded, b loaded" {
		t.Errorf("kept for an hour: %s", got)
	}
	ps := decoded(t, second(s.do(s.request("GET", "/api/ps", ""))))
	until, err := time.Parse(time.RFC3339Nano, ps.text("models", 0, "expires_at"))
	if left := time.Until(until); err != nil || left < 50*time.Minute || left > time.Hour || ps.text("models", 0, "name") != "a" || ps.text("models", 1, "expires_at")[:4] != "9999" {
		t.Errorf("/api/ps: %v", ps.v)
	}
	if got := s.post("/api/generate", `{"model": "a:latest", "keep_alive": 0}`); got.text("done_reason") != "unload" || got.text("model") != "a" {
		t.Errorf("%v", got.v)
	}
	closes("it is told to go")
	s.ask("a") // and the time is the server's again
	closes("its time is over once more")
	s.post("/api/chat", `{"model": "a", "messages": [{"role": "user", "content": "hi"}], "stream": false, "options": {"num_predict": 1}, "keep_alive": -1}`)
	time.Sleep(60 * time.Millisecond)
	if got := s.states(); got != "a loaded, b loaded" {
		t.Errorf("kept for ever: %s", got)
	}
	if w, b := s.do(s.request("POST", "/api/generate", `{"model": "b", "keep_alive": 0}`)); w.StatusCode != 400 || !strings.Contains(string(b), "stays open") {
		t.Errorf("a pinned model is told to go: %d %s", w.StatusCode, b)
	}
	// A reload opens what is open anew and leaves the rest.
	opened := s.opened["a"].Load()
	if err := s.Reload(t.Context()); err != nil || s.states() != "a loaded, b loaded" || s.opened["a"].Load() != opened+1 {
		t.Errorf("reload: %v, %s", err, s.states())
	}
	s.post("/api/generate", `{"model": "a", "keep_alive": 0}`)
	closes("it is told to go")
	if err := s.Reload(t.Context()); err != nil || s.states() != "a not-loaded, b loaded" {
		t.Errorf("reload: %v, %s", err, s.states())
	}
	for text, want := range map[string]time.Duration{"5m": 5 * time.Minute, "90": 90 * time.Second, "-1": -1, "-5m": -1, "0": 0, "1.5": 1500 * time.Millisecond} {
		if d, err := ParseKeepAlive(text); err != nil || d != want {
			t.Errorf("%s is %v (%v), want %v", text, d, err, want)
		}
	}
	for _, bad := range []string{"", "soon", "5 m", "NaN", "1e300", "inf"} {
		if d, err := ParseKeepAlive(bad); err == nil {
			t.Errorf("%q is %v", bad, d)
		}
	}
}

// A budget that cannot hold is told at the start.
func TestDemandRefused(t *testing.T) {
	path := chatFile(t, "chatml", nil)
	n := open(t, path).File().Size
	for _, c := range []struct {
		d    Demand
		says string
	}{
		{Demand{Memory: n - 1}, "--model-memory"},
		{Demand{Memory: 2*n - 1, Pinned: []string{"b"}}, "pinned"},
		{Demand{Memory: -1}, "want 0"},
		{Demand{Pinned: []string{"none"}}, `"none"`},
	} {
		ms := NewModels()
		for _, name := range []string{"a", "b"} {
			err := ms.Add(name, func(context.Context) (Opened, error) {
				m, err := engine.Open(path, engine.WithThreads(1))
				return Opened{Model: m, Close: func() error { return m.Close() }}, err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := ms.OnDemand(c.d)
		if err == nil {
			err = ms.Load(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.d, err, c.says)
		}
		ms.Close() //nolint:errcheck // read-only
	}
}
