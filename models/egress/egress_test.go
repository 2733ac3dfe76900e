package egress

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// A gate to one address speaks to its scheme, host and port alone, and follows nobody who sends it on.
func TestGateTo(t *testing.T) {
	asked := map[string]int{}
	var other *httptest.Server
	handler := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked[name]++
			if r.URL.Path == "/away" {
				http.Redirect(w, r, other.URL+"/file", http.StatusTemporaryRedirect)
			}
		}
	}
	there := httptest.NewServer(handler("there"))
	defer there.Close()
	other = httptest.NewServer(handler("other")) // the same host, another port
	defer other.Close()
	address, err := url.Parse(there.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	g, err := To(address)
	if err != nil {
		t.Fatal(err)
	}
	post := func(to string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader("secret"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.Do(req)
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	if code, err := post(there.URL + "/v1/x"); err != nil || code != http.StatusOK {
		t.Errorf("the address: %d, %v", code, err)
	}
	if code, err := post(there.URL + "/away"); err != nil || code != http.StatusTemporaryRedirect || asked["other"] != 0 {
		t.Errorf("a redirect is %d, %v, and the other was asked %d times", code, err, asked["other"])
	}
	var refused *HostError
	for _, to := range []string{other.URL + "/v1", strings.Replace(there.URL, "127.0.0.1", "localhost", 1), strings.Replace(there.URL, "http:", "https:", 1)} {
		if _, err := post(to); !errors.As(err, &refused) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if asked["there"] != 2 || asked["other"] != 0 {
		t.Errorf("asked %v", asked)
	}
}

// TLS, or this machine.
func TestGateToPlain(t *testing.T) {
	for address, ok := range map[string]bool{"https://example.org/v1": true, "http://127.0.0.1:8080/v1": true, "http://[::1]:8080": true, "http://LOCALHOST:1": true, "http://127.9.9.9": true,
		"http://example.org/v1": false, "http://10.0.0.1": false, "http://localhost.example.org": false, "http://127.0.0.1.example.org": false, "ftp://127.0.0.1": false, "file:///etc/passwd": false, "": false} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		var plain *PlainError
		if _, err := To(u); ok != (err == nil) || !ok && !errors.As(err, &plain) {
			t.Errorf("%q: %v", address, err)
		}
	}
}
