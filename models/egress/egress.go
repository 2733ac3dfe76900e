// Package egress is the one place of this program that can open an outgoing connection. A test reads all other packages and
// holds that they name nothing that could (TestEgress in house_test.go).
package egress

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Gate lets HTTP requests through to the hosts that it was given, also after redirects.
type Gate struct {
	hosts  []string
	client http.Client
}

// New makes a gate for hosts, without ports. One that begins with a dot stands for all names that end in it.
func New(hosts ...string) *Gate {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	transport.DisableCompression = true
	g := &Gate{hosts: slices.Clone(hosts)}
	g.client.Transport = &guard{g, transport}
	return g
}

// Do sends a request; one to a host that is not allowed fails with a *HostError.
func (g *Gate) Do(req *http.Request) (*http.Response, error) { return g.client.Do(req) }

// Allows tells whether the gate lets requests to a host through.
func (g *Gate) Allows(host string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(g.hosts, func(h string) bool {
		h = strings.ToLower(h)
		return host == h || strings.HasPrefix(h, ".") && strings.HasSuffix(host, h)
	})
}

// guard is asked for every request of the client, those that follow redirects among them.
type guard struct {
	gate *Gate
	next http.RoundTripper
}

func (t *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if host := req.URL.Hostname(); !t.gate.Allows(host) {
		return nil, &HostError{Host: host, Allowed: slices.Clone(t.gate.hosts)}
	}
	return t.next.RoundTrip(req)
}

// HostError says that a connection was refused because nobody named its host.
type HostError struct {
	Host    string
	Allowed []string
}

func (e *HostError) Error() string {
	return fmt.Sprintf("no connection to %s: allowed are %s", e.Host, strings.Join(e.Allowed, " "))
}
