package server

import (
	"net/http"
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

// Where there is no room for keys and values the client is asked to come again.
func TestNoMemory(t *testing.T) {
	if e := asAPI(&engine.MemoryError{Need: 2, Held: 1, Most: 2}); e.Status != http.StatusServiceUnavailable || e.After == 0 {
		t.Errorf("%+v", e)
	}
}
