package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// A site gets what a server asks of requests, and no API stands beside it.
func TestSite(t *testing.T) {
	const key = "a-key-of-the-site-0123"
	keys, err := ReadKeys(strings.NewReader("ann " + key))
	if err != nil {
		t.Fatal(err)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)                               //nolint:errcheck // it was read before
		fmt.Fprintf(w, "site %s %s %s", r.Method, r.URL.Path, b) //nolint:errcheck // a recorder
	})
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("any name", password) }
	}
	from := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(r *http.Request) { r.Host = "evil.example" }
	for _, c := range []struct {
		what         string
		keys         bool
		method, path string
		body         string
		edit         func(*http.Request)
		status       int
		want         string
	}{
		{"a page", false, "GET", "/a", "", nil, 200, "site GET /a "},
		{"where the API would be", false, "GET", "/v1/models", "", nil, 200, "site GET /v1/models "},
		{"the API's POST", false, "POST", "/v1/chat/completions", "{}", nil, 200, "site POST /v1/chat/completions {}"},
		{"a probe", true, "GET", "/livez", "", nil, 200, "ok"},
		{"another host", false, "GET", "/a", "", host, 403, "host_not_allowed"},
		{"a POST from another origin", false, "POST", "/a", "x", from("Origin", "https://evil.example"), 403, "cross_origin"},
		{"one from another site", false, "DELETE", "/a", "x", from("Sec-Fetch-Site", "cross-site"), 403, "cross_origin"},
		{"one of its own", false, "POST", "/a", "x", from("Sec-Fetch-Site", "same-origin"), 200, "site POST /a x"},
		{"a large body", false, "POST", "/a", strings.Repeat("x", 101), nil, 413, "body_too_large"},
		{"no key", true, "GET", "/a", "", nil, 401, "invalid_api_key"},
		{"a wrong key", true, "GET", "/a", "", basic("a-key-of-the-site-0124"), 401, "invalid_api_key"},
		{"the key as the name", true, "GET", "/a", "", func(r *http.Request) { r.SetBasicAuth(key, "") }, 401, "invalid_api_key"},
		{"the key as a password", true, "GET", "/a", "", basic(key), 200, "site GET /a "},
		{"the key as a token", true, "GET", "/a", "", from("Authorization", "Bearer "+key), 200, "site GET /a "},
		{"a POST without a key", true, "POST", "/a", "x", nil, 401, "invalid_api_key"},
	} {
		opts := []Option{WithSite(h), WithMaxBody(100)}
		if c.keys {
			opts = append(opts, WithKeys(keys))
		}
		s, err := NewSet(NewModels(), opts...)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(c.method, "http://127.0.0.1"+c.path, strings.NewReader(c.body))
		if c.edit != nil {
			c.edit(r)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %d with %q", c.what, w.Code, w.Body, c.status, c.want)
		}
		if asks := w.Header().Get("WWW-Authenticate"); (c.status == 401) != strings.HasPrefix(asks, "Basic ") {
			t.Errorf("%s: %d asks for %q", c.what, w.Code, asks)
		}
	}
}

// A program uses models of its own set as requests do, those too that it adds later: they open with the first use, once, and close when they were idle for long enough.
func TestModelsUse(t *testing.T) {
	path := chatFile(t, "chatml", nil)
	ms := NewModels()
	if err := ms.OnDemand(Demand{KeepAlive: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if err := ms.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened, closed := 0, make(chan struct{}, 1)
	for name, open := range map[string]Open{
		"good": func(context.Context) (Opened, error) {
			opened++
			m, err := engine.Open(path, engine.WithThreads(1))
			return Opened{Model: m, Close: func() error { defer func() { closed <- struct{}{} }(); return m.Close() }}, err
		},
		"bad": func(context.Context) (Opened, error) { return Opened{}, errors.New("no such file") },
	} {
		if err := ms.Add(name, open); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 0 {
		t.Error("it was opened before anybody asked")
	}
	a, releaseA, err := ms.Use(t.Context(), "good")
	if err != nil {
		t.Fatal(err)
	}
	b, releaseB, err := ms.Use(t.Context(), "good")
	if err != nil || a != b || opened != 1 {
		t.Errorf("used twice it was opened %d times (%v)", opened, err)
	}
	releaseA()
	releaseB()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("it is never closed")
	}
	if _, _, err := ms.Use(t.Context(), "bad"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a model that cannot be opened: %v", err)
	}
	if _, _, err := ms.Use(t.Context(), "none"); err == nil {
		t.Error("a model that is not there was found")
	}
	if err := ms.Close(); err != nil {
		t.Error(err)
	}
}
