package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// WithCORS lets web pages of these origins, such as https://app.example.com, read answers in a browser. Others get nothing: an origin
// is compared whole with this list, and never sent back because it asked. Keys and hosts are asked for all the same.
func WithCORS(origins ...string) Option {
	return func(c *config) error {
		for _, o := range origins {
			if o == "*" || o == "null" {
				return fmt.Errorf("server: %q as an allowed origin is every page that a browser here visits; name the ones you mean, such as https://app.example.com", o)
			}
			if err := http.NewCrossOriginProtection().AddTrustedOrigin(o); err != nil {
				return fmt.Errorf("server: %q is no origin of a web page, want SCHEME://HOST or SCHEME://HOST:PORT without a path (%w)", o, err)
			}
		}
		c.origins = origins
		return nil
	}
}

// share tells a browser whether a page of another origin may read the answer, and answers what it asks before it sends the request
// itself (the Fetch standard's preflight).
func (c *call) share() (answered bool) {
	origins, h := c.s.cfg.origins, c.w.Header()
	if len(origins) == 0 {
		return false
	}
	h.Add("Vary", "Origin")
	origin := c.r.Header.Get("Origin")
	if !slices.Contains(origins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, X-Freehold-Collect")
	wanted := c.r.Header.Get("Access-Control-Request-Method")
	if c.r.Method != http.MethodOptions || wanted == "" {
		return false
	}
	_, allowed := route(wanted, c.r.URL.Path)
	if len(allowed) == 0 {
		allowed = []string{wanted}
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(allowed, ", "))
	h.Set("Access-Control-Allow-Headers", "*, Authorization") // * does not hold Authorization
	h.Set("Access-Control-Max-Age", "600")
	c.w.WriteHeader(http.StatusNoContent)
	return true
}
