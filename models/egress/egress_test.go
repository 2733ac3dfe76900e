package egress

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Only hosts that were named are asked, whoever redirects elsewhere.
func TestGate(t *testing.T) {
	asked := 0
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/away" {
			http.Redirect(w, r, strings.Replace("http://"+r.Host, "127.0.0.1", "localhost", 1)+"/file", http.StatusFound)
		}
	}))
	defer there.Close()
	get := func(g *Gate, url string) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	var refused *HostError
	g := New("127.0.0.1", ".example.org")
	if err := get(g, there.URL+"/file"); err != nil || asked != 1 {
		t.Errorf("an allowed host: %v, asked %d times", err, asked)
	}
	if err := get(g, there.URL+"/away"); !errors.As(err, &refused) || refused.Host != "localhost" || asked != 2 {
		t.Errorf("a redirect elsewhere: %v, asked %d times", err, asked)
	}
	if err := get(New("127.0.0.1", "localhost"), there.URL+"/away"); errors.As(err, &refused) {
		t.Errorf("a redirect to an allowed host: %v", err)
	}
	for host, want := range map[string]bool{"127.0.0.1": true, "a.example.org": true, "A.B.Example.ORG": true, "example.org": false, "notexample.org": false, "example.org.evil.net": false, "": false} {
		if g.Allows(host) != want {
			t.Errorf("%q is allowed: %v, want %v", host, !want, want)
		}
	}
}
