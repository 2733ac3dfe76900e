package server

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// A request that begins like an earlier one with the same key gets the same answer without computing the beginning again; under another
// key nothing is known of it.
func TestPrefixCache(t *testing.T) {
	keys, err := ReadKeys(strings.NewReader("alice alice-0123456789abcdef\nbob bob-0123456789abcdef0\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, WithKeys(keys))
	body := `{"messages": [{"role": "system", "content": "` + strings.Repeat("One rule and another. ", 20) + `"}, {"role": "user", "content": "hi"}], "max_tokens": 6, "temperature": 0}`
	ask := func(key, path, body string) (cached int, text string) {
		t.Helper()
		s.key = key
		d := s.post(path, body)
		return d.int("usage", "prompt_tokens_details", "cached_tokens"), d.text("choices", 0, "message", "content")
	}
	n, first := ask("alice-0123456789abcdef", chatPath, body)
	if n != 0 {
		t.Errorf("the first request found %d tokens", n)
	}
	n, again := ask("alice-0123456789abcdef", chatPath, body)
	if n < 40 || again != first {
		t.Errorf("the second found %d tokens and says %q, want most of them and %q", n, again, first)
	}
	if n, text := ask("alice-0123456789abcdef", chatPath, strings.Replace(body, `"temperature"`, `"n": 2, "temperature"`, 1)); n < 40 || text != first {
		t.Errorf("with two answers: %d tokens, %q", n, text)
	}
	n, other := ask("bob-0123456789abcdef0", chatPath, body)
	if n != 0 || other != first {
		t.Errorf("another key found %d tokens and says %q, want none and %q", n, other, first)
	}
	_, b := s.do(s.request("GET", "/metrics", ""))
	if !strings.Contains(string(b), "freehold_prefix_cache_hits_total 2\n") {
		t.Errorf("metrics: %s", b)
	}
}

// What a key's prompts left comes back from disk when the model opens again, for that key alone: neither another key nor a new key of the same
// name has it.
func TestPromptCache(t *testing.T) {
	path, dir := chatFile(t, "chatml", nil), t.TempDir()
	body := `{"messages": [{"role": "system", "content": "` + strings.Repeat("One rule and another. ", 60) + `"}, {"role": "user", "content": "hi"}], "max_tokens": 6, "temperature": 0}`
	begin := func(keys string) (*site, *Models) {
		t.Helper()
		ms := NewModels()
		ms.PromptCache(dir, func(err error) { t.Error(err) })
		err := ms.Add("m", func(context.Context) (Opened, error) {
			m, err := engine.Open(path, engine.WithThreads(1))
			if err != nil {
				return Opened{}, err
			}
			return Opened{Model: m, Close: m.Close}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := ms.OnDemand(Demand{KeepAlive: -1}); err != nil {
			t.Fatal(err)
		}
		if err := ms.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		k, err := ReadKeys(strings.NewReader(keys))
		if err != nil {
			t.Fatal(err)
		}
		h, err := NewSet(ms, WithKeys(k))
		if err != nil {
			t.Fatal(err)
		}
		return serve(t, h), ms
	}
	s, ms := begin("alice alice-0123456789abcdef\nbob bob-0123456789abcdef0\n")
	s.key = "alice-0123456789abcdef"
	want := s.post(chatPath, body).text("choices", 0, "message", "content")
	s.post("/api/generate", `{"model": "m", "keep_alive": 0}`) // it is written when the model closes
	waitFor(t, "the model is closed", func() bool { f, _ := filepath.Glob(filepath.Join(dir, "*.state")); return len(f) == 1 })
	d := s.post(chatPath, body)
	if n := d.int("usage", "prompt_tokens_details", "cached_tokens"); n < 256 || d.text("choices", 0, "message", "content") != want {
		t.Errorf("opened again: %d tokens are known, and %v", n, d.v)
	}
	if err := ms.Close(); err != nil {
		t.Fatal(err)
	}
	s, ms = begin("alice alice-0123456789abcdef\nbob bob-0123456789abcdef0\nalice other-0123456789abcdef\n")
	defer ms.Close() //nolint:errcheck // read-only
	for _, c := range []struct {
		key    string
		cached bool
	}{{"bob-0123456789abcdef0", false}, {"other-0123456789abcdef", false}, {"alice-0123456789abcdef", true}} {
		s.key = c.key
		d := s.post(chatPath, body)
		if n := d.int("usage", "prompt_tokens_details", "cached_tokens"); n > 0 != c.cached || d.text("choices", 0, "message", "content") != want {
			t.Errorf("key %s after a restart: %d tokens are known, and %v", c.key, n, d.v)
		}
	}
}

// Where there is no room for keys and values the client is asked to come again.
func TestNoMemory(t *testing.T) {
	if e := asAPI(&engine.MemoryError{Need: 2, Held: 1, Most: 2}); e.Status != http.StatusServiceUnavailable || e.After == 0 {
		t.Errorf("%+v", e)
	}
}
