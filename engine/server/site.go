package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// WithSite answers with h in place of the API, but for the probes /livez, /readyz and /healthz: a program's own pages get what the API asks of requests. h sees
// those alone that are addressed to an allowed host, carry a key where the server has keys and, unless they are GET or HEAD, come from no page of another origin; their bodies
// are whole and have MaxBody bytes at most. Browsers ask their user for the key: it is the password of HTTP's Basic authentication, whatever the name, or a Bearer token.
func WithSite(h http.Handler) Option { return func(c *config) error { c.site = h; return nil } }

// visit answers with the site.
func (c *call) visit() error {
	s, r := c.s, c.r
	if keys := s.keys.Load(); keys != nil {
		given := r.Header.Get("Authorization")
		if _, password, ok := r.BasicAuth(); ok {
			given = "Bearer " + password
		}
		name, owner, ok := keys.find(given)
		if !ok {
			c.w.Header().Set("WWW-Authenticate", `Basic realm="freehold: the key is the password", charset="UTF-8"`)
			return &apiError{Status: http.StatusUnauthorized, Type: typeAuth, Code: "invalid_api_key", Message: "no valid key: give one as the password, under any name, or as the header Authorization: Bearer KEY"}
		}
		c.key, c.owner = name, owner
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := c.siteBody(); err != nil {
			return err
		}
	}
	s.cfg.site.ServeHTTP(c.w, r)
	return nil
}

// siteBody reads the body of a request that may change something or set a model to work.
func (c *call) siteBody() error {
	if err := c.s.origin.Check(c.r); err != nil {
		return &apiError{Status: http.StatusForbidden, Type: typeRequest, Code: "cross_origin", Message: "requests from pages of other origins are not answered"}
	}
	rc := http.NewResponseController(c.w)
	rc.SetReadDeadline(time.Now().Add(c.s.cfg.patience)) //nolint:errcheck // a body over a connection without deadlines is read all the same
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, c.s.cfg.body))
	rc.SetReadDeadline(time.Time{}) //nolint:errcheck // as above
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return c.tooLarge()
	} else if err != nil {
		return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Code: "body_cut", Message: "the body did not come whole"}
	}
	c.r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
