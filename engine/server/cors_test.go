package server

import (
	"net/http"
	"strings"
	"testing"
)

// Pages of the origins that the server was told of may read answers, and others may not, whatever they ask.
func TestCORS(t *testing.T) {
	const key = "cors-0123456789abcdef"
	const ours, theirs = "https://app.example.com", "https://app.example.com.evil.test"
	ask := func(s *site, method, path, origin string, more ...string) *http.Response {
		t.Helper()
		body := ""
		if method == "POST" {
			body = `{"prompt": "hi"}`
		}
		r := s.request(method, path, body)
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		for i := 0; i < len(more); i += 2 {
			r.Header.Set(more[i], more[i+1])
		}
		w, _ := s.do(r)
		return w
	}
	const may = "Access-Control-Allow-Origin"
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,x-stainless-os"}
	s := newSite(t, WithCORS(ours, "chrome-extension://abcdefgh"), WithKeys(must(ReadKeys(strings.NewReader(key)))))
	for _, origin := range []string{ours, "chrome-extension://abcdefgh"} {
		w := ask(s, "OPTIONS", "/tokenize", origin, preflight...)
		if h := w.Header; w.StatusCode != 204 || h.Get(may) != origin || h.Get("Access-Control-Allow-Methods") != "POST" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") ||
			h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("preflight from %s: %d %v", origin, w.StatusCode, h)
		}
		if w := ask(s, "POST", "/tokenize", origin); w.StatusCode != 401 || w.Header.Get(may) != origin {
			t.Errorf("without a key from %s: %d %v, want 401 that the page may read", origin, w.StatusCode, w.Header)
		}
		if w := ask(s, "POST", "/tokenize", origin, "Authorization", "Bearer "+key); w.StatusCode != 200 || w.Header.Get(may) != origin {
			t.Errorf("from %s: %d %v", origin, w.StatusCode, w.Header)
		}
	}
	for _, origin := range []string{theirs, "http://app.example.com", "null", "https://app.example.com:8443"} {
		for _, w := range []*http.Response{ask(s, "OPTIONS", "/tokenize", origin, preflight...), ask(s, "GET", "/v1/models", origin, "Authorization", "Bearer "+key),
			ask(s, "POST", "/tokenize", origin, "Authorization", "Bearer "+key)} {
			if w.Header.Get(may) != "" || w.Request.Method == "POST" && w.StatusCode != 403 || w.Request.Method == "OPTIONS" && w.StatusCode < 400 {
				t.Errorf("%s from %s: %d %v", w.Request.Method, origin, w.StatusCode, w.Header)
			}
		}
	}
	plain := newSite(t)
	if w := ask(plain, "OPTIONS", "/tokenize", ours, preflight...); w.Header.Get(may) != "" || w.StatusCode != 405 {
		t.Errorf("a server that was told of no origin: %d %v", w.StatusCode, w.Header)
	}
	for _, bad := range []string{"*", "null", "app.example.com", "https://app.example.com/", "https://app.example.com/page", "https://*.example.com/x"} {
		if _, err := NewSet(NewModels(), WithCORS(bad)); err == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
}
