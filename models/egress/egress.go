// Package egress is the one place of this program that can open an outgoing connection. A test reads all other packages and
// holds that they name nothing that could (TestEgress in house_test.go).
package egress

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Gate lets HTTP requests through to the hosts that it was given, also after redirects.
type Gate struct {
	hosts  []string
	only   *url.URL // of To: scheme, host and port; nil = any of the hosts
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

// To makes a gate for one address: requests go to its scheme, host and port alone, and a redirect is not followed but is the answer, for
// what is sent is meant for nobody else. Only this machine itself is spoken to without TLS. How long an answer may take is the request's context to say.
func To(address *url.URL) (*Gate, error) {
	if address.Scheme != "https" && (address.Scheme != "http" || !Loopback(address.Hostname())) {
		return nil, &PlainError{address.Scheme, address.Host}
	}
	g := New(address.Hostname())
	g.only = address
	transport := g.client.Transport.(*guard).next.(*http.Transport)
	transport.ResponseHeaderTimeout = 0
	transport.MaxIdleConnsPerHost = 64
	g.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return g, nil
}

// Loopback tells whether a host is this machine by its name or number.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// Proxy is the proxy's host by which requests to an address go (HTTPS_PROXY and the like); "" = none.
func Proxy(address *url.URL) (string, error) {
	p, err := http.ProxyFromEnvironment(&http.Request{URL: address})
	if p == nil || err != nil {
		return "", err
	}
	return p.Host, nil
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
	if o := t.gate.only; o != nil && (req.URL.Scheme != o.Scheme || req.URL.Host != o.Host) {
		return nil, &HostError{Host: req.URL.Scheme + "://" + req.URL.Host, Allowed: []string{o.Scheme + "://" + o.Host}}
	}
	return t.next.RoundTrip(req)
}

// PlainError says that a connection was refused because everybody on the way could read it.
type PlainError struct{ Scheme, Host string }

func (e *PlainError) Error() string {
	return fmt.Sprintf("no connection to %s by %s: want https, or http to this machine itself (localhost, 127.0.0.1, [::1])", e.Host, e.Scheme)
}

// HostError says that a connection was refused because nobody named its host.
type HostError struct {
	Host    string
	Allowed []string
}

func (e *HostError) Error() string {
	return fmt.Sprintf("no connection to %s: allowed are %s", e.Host, strings.Join(e.Allowed, " "))
}
