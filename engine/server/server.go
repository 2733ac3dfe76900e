// Package server answers the HTTP API that OpenAI's clients speak, and some of its own, with the models of package engine.
//
// A request is enforced or refused, never half obeyed: an unknown field, a value out of range, a prompt that does not fit and a
// schema that cannot be enforced are errors that name the field. docs/server.md lists endpoints and fields.
package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server/lock"
)

// Server is an http.Handler. Its paths begin with /v1/ but for a few (see Endpoints).
type Server struct {
	models   *Models
	cfg      config
	keys     atomic.Pointer[Keys]
	queue    queue
	inside   atomic.Int64 // POST requests that were let in
	metrics  *serverMetrics
	audit    *auditLog
	draining atomic.Bool
	lock     atomic.Pointer[lock.State]
	origin   *http.CrossOriginProtection
	openAPI  []byte
	grammars grammarCache
	gathered gathered
}

// Option sets how a Server works.
type Option func(*config) error

type config struct {
	slots, queue int
	body         int64
	keys         *Keys
	hosts        []string
	origins      []string // of web pages that may read answers
	log          *slog.Logger
	audit        io.Writer
	page         http.Handler
	site         http.Handler // in place of the API; nil = the API
	now          func() time.Time
	alive        time.Duration
	patience     time.Duration
	version      string
	below        float64 // line to abstain below; 0 = that of each student's file
	teacher      string  // a model's name; "" = none
	collect      *Collect
}

// WithSlots sets how many sequences are generated at a time; the default is 8. Each holds the keys and values of its tokens.
func WithSlots(n int) Option {
	return func(c *config) error {
		if n < 1 || n > 1024 {
			return fmt.Errorf("server: slots is %d, want 1 to 1024", n)
		}
		c.slots = n
		return nil
	}
}

// WithQueue sets how many requests may wait for a slot; the default is 64. What comes beyond is answered 429.
func WithQueue(n int) Option {
	return func(c *config) error {
		if n < 0 || n > 1<<16 {
			return fmt.Errorf("server: queue is %d, want 0 to %d", n, 1<<16)
		}
		c.queue = n
		return nil
	}
}

// WithMaxBody bounds the bytes of a request; the default is 4 MiB.
func WithMaxBody(n int64) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("server: the largest body is %d bytes, want at least 1", n)
		}
		c.body = n
		return nil
	}
}

// WithKeys asks each request for one of the keys, but for the probes /livez, /readyz and /healthz.
func WithKeys(k *Keys) Option { return func(c *config) error { c.keys = k; return nil } }

// WithHosts names the hosts that a request may be addressed to, without ports. The default is those of the loopback, and any host
// where there are keys: a page of the browser that has a name of its own point to this machine gets nothing.
func WithHosts(hosts ...string) Option {
	return func(c *config) error { c.hosts = hosts; return nil }
}

// WithLogger makes the server log a line a request, without its text; without it nothing is logged.
func WithLogger(l *slog.Logger) Option { return func(c *config) error { c.log = l; return nil } }

// WithAudit writes a line of JSON for each request to w: time, key, hashes of request, answer and model, tokens; no text.
func WithAudit(w io.Writer) Option { return func(c *config) error { c.audit = w; return nil } }

// WithPage answers / and all that is no endpoint of the API.
func WithPage(h http.Handler) Option { return func(c *config) error { c.page = h; return nil } }

// WithNow tells chat templates that ask for it what day it is. Without it they get the day of engine.WithDate, or fail.
func WithNow(now func() time.Time) Option { return func(c *config) error { c.now = now; return nil } }

// WithKeepAlive sets how long a stream is silent before a comment keeps its connection open; the default is 10 seconds.
func WithKeepAlive(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond {
			return fmt.Errorf("server: keep-alive is %v, want 1ms or more", d)
		}
		c.alive = d
		return nil
	}
}

// WithVersion is the version that /openapi.json states.
func WithVersion(v string) Option { return func(c *config) error { c.version = v; return nil } }

// New serves one open model, which stays the caller's, under its file's name. An option that is out of range panics; NewSet
// gives an error.
func New(m *engine.Model, opts ...Option) *Server {
	ms := NewModels()
	ms.put(nameOf(m), m)
	s, err := NewSet(ms, opts...)
	if err != nil {
		panic(err.Error())
	}
	return s
}

// NewSet serves several models.
func NewSet(ms *Models, opts ...Option) (*Server, error) {
	c := config{slots: 8, queue: 64, body: 4 << 20, alive: 10 * time.Second, patience: writePatience, version: "0"}
	for _, o := range opts {
		if err := o(&c); err != nil {
			return nil, err
		}
	}
	if c.teacher != "" && ms.find(c.teacher) == nil {
		return nil, fmt.Errorf("server: there is no model %q to be the teacher", c.teacher)
	}
	if c.hosts == nil && c.keys == nil {
		c.hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	s := &Server{models: ms, cfg: c, metrics: newServerMetrics(), origin: http.NewCrossOriginProtection()}
	for _, o := range c.origins {
		s.origin.AddTrustedOrigin(o) //nolint:errcheck // WithCORS tried it
	}
	s.queue.free = c.slots
	s.keys.Store(c.keys)
	if c.audit != nil {
		s.audit = &auditLog{w: c.audit}
	}
	s.openAPI = openAPI(c.version, ms.names())
	return s, nil
}

// SetKeys changes the keys of later requests; a server without keys stays without.
func (s *Server) SetKeys(k *Keys) error {
	if (k == nil) != (s.keys.Load() == nil) {
		return errors.New("server: keys are asked for from the beginning or never")
	}
	s.keys.Store(k)
	return nil
}

// Reload opens all models anew (see Models.Load).
func (s *Server) Reload(ctx context.Context) error {
	err := s.models.Load(ctx)
	s.metrics.reloads.Add(1)
	return err
}

// Locked notes what lock.Process did, for /readyz and the log.
func (s *Server) Locked(state lock.State) {
	s.lock.Store(&state)
	s.log(slog.LevelInfo, "lock", "connections", state.Connections, "files", state.Files)
}

// Drain makes /readyz answer 503, so that no new requests are sent here. Those that come are answered all the same.
func (s *Server) Drain() { s.draining.Store(true) }

// Busy tells how many slots are taken, and how many requests wait for one.
func (s *Server) Busy() (slots, waiting int) {
	free, waiting := s.queue.state()
	return s.cfg.slots - free, waiting
}

// call is one request on its way.
type call struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	at    *endpoint
	key   string // its name, "" without keys
	owner string // what tells the key from all others
	id    string
	body  []byte

	model     *loaded
	teacher   *about // that was asked too; nil = none
	release   func()
	began     time.Time
	firstText time.Time
	prompt    int // tokens
	cached    int // of these, not computed anew
	generated int
	stream    *stream
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, r: r, began: time.Now(), id: newID("req")}
	rec := &recorder{ResponseWriter: w, audit: s.audit != nil}
	rec.reset()
	c.w = rec
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) //nolint:errcheck // of the answer before on this connection; not every connection has one
	w.Header().Set("X-Request-Id", c.id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	var failed error
	defer func() {
		if p := recover(); p != nil {
			s.log(slog.LevelError, "panic", "request", c.id, "path", r.URL.Path, "panic", fmt.Sprint(p))
			if p == http.ErrAbortHandler {
				panic(p)
			}
			failed = fmt.Errorf("panic: %v", p)
			c.fail(failed)
		}
		if c.release != nil {
			c.release()
		}
		if c.stream != nil {
			c.stream.close()
		}
		s.finish(c, rec, failed)
	}()
	if failed = c.answer(); failed != nil {
		c.fail(failed)
	}
}

// answer checks who asks for what, and answers.
func (c *call) answer() error {
	s, r := c.s, c.r
	if !hostAllowed(s.cfg.hosts, r.Host) {
		return &apiError{Status: http.StatusForbidden, Type: typeRequest, Code: "host_not_allowed",
			Message: fmt.Sprintf("requests to the host %.100q are not answered here; the server has to be told of the name (serve --host-name, server.WithHosts)", r.Host)}
	}
	if c.share() {
		return nil
	}
	at, allowed := route(r.Method, r.URL.Path)
	c.at = at
	if s.cfg.site != nil && (at == nil || !at.open) {
		return c.visit()
	}
	if at == nil && len(allowed) == 0 {
		if err := refusedChange(r.URL.Path); err != nil {
			return err
		}
		if s.cfg.page != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			s.cfg.page.ServeHTTP(c.w, r)
			return nil
		}
		return &apiError{Status: http.StatusNotFound, Type: typeRequest, Code: "not_found", Message: fmt.Sprintf("there is nothing at %.200q; /openapi.json lists what there is", r.URL.Path)}
	}
	if at == nil {
		c.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &apiError{Status: http.StatusMethodNotAllowed, Type: typeRequest, Code: "method_not_allowed", Message: fmt.Sprintf("%s is not answered with %.20s; use %s", r.URL.Path, r.Method, strings.Join(allowed, ", "))}
	}
	if keys := s.keys.Load(); keys != nil && !at.open {
		name, owner, ok := keys.find(r.Header.Get("Authorization"))
		if !ok {
			c.w.Header().Set("WWW-Authenticate", "Bearer")
			return &apiError{Status: http.StatusUnauthorized, Type: typeAuth, Code: "invalid_api_key", Message: "no valid key: send one as the header Authorization: Bearer KEY"}
		}
		c.key, c.owner = name, owner
	}
	if at.request == nil {
		return at.handle(c)
	}
	if err := s.origin.Check(r); err != nil {
		return &apiError{Status: http.StatusForbidden, Type: typeRequest, Code: "cross_origin", Message: "requests from pages of other origins are not answered, but for those that the server was told of (serve --cors, server.WithCORS)"}
	}
	if n := s.inside.Add(1); n > int64(s.cfg.slots+s.cfg.queue) {
		s.inside.Add(-1)
		s.metrics.refused.Add(1)
		c.w.Header().Set("Connection", "close") // its body is not read
		return &apiError{Status: http.StatusTooManyRequests, Type: typeOverload, Code: "queue_full", After: 1,
			Message: fmt.Sprintf("%d requests are on their way and no more may wait; try again", n-1)}
	}
	defer s.inside.Add(-1)
	if err := c.readBody(); err != nil {
		return err
	}
	return at.handle(c)
}

// readBody reads the body, which must be JSON.
func (c *call) readBody() error {
	kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	// Clients of ollama's API, curl -d and litellm among them, state no type or another; pages of other origins were turned away before.
	if !strings.HasPrefix(c.at.path, ollamaPath) && !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return &apiError{Status: http.StatusUnsupportedMediaType, Type: typeRequest, Code: "unsupported_media_type", Message: fmt.Sprintf("the Content-Type is %.60q, want application/json", kind)}
	}
	if e := c.r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return &apiError{Status: http.StatusUnsupportedMediaType, Type: typeRequest, Code: "unsupported_media_type", Message: fmt.Sprintf("the Content-Encoding is %.60q, want none", e)}
	}
	limit := c.s.cfg.body
	if c.r.ContentLength > limit {
		c.w.Header().Set("Connection", "close")
		return c.tooLarge()
	}
	rc := http.NewResponseController(c.w)
	rc.SetReadDeadline(time.Now().Add(c.s.cfg.patience)) //nolint:errcheck // a body over a connection without deadlines is read all the same
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	rc.SetReadDeadline(time.Time{}) //nolint:errcheck // as above
	if err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return c.tooLarge()
		}
		return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Code: "body_cut", Message: "the body did not come whole"}
	}
	if len(body) == 0 {
		return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Code: codeJSON, Message: "the body is empty, want JSON"}
	}
	c.body = body
	return nil
}

func (c *call) tooLarge() error {
	return &apiError{Status: http.StatusRequestEntityTooLarge, Type: typeRequest, Code: "body_too_large", Message: fmt.Sprintf("the body has more than the %d bytes that a request may have", c.s.cfg.body)}
}

// use takes the model of a request.
func (c *call) use(name string) (*loaded, error) {
	l, release, err := c.s.models.use(c.r.Context(), name)
	if err != nil {
		return nil, err
	}
	c.model, c.release = l, release
	return l, nil
}

// slot waits for n slots. The caller calls leave.
func (c *call) slot(n int) (leave func(), err error) {
	t := c.s.queue.join(min(n, c.s.cfg.slots))
	if err := t.wait(c.r.Context()); err != nil {
		t.leave()
		return nil, err
	}
	return t.leave, nil
}

// fail answers with an error, as far as an answer has not begun.
func (c *call) fail(err error) {
	e := asAPI(err)
	if open := (*openError)(nil); e.Status == http.StatusInternalServerError || errors.As(err, &open) {
		c.s.log(slog.LevelError, "request failed", "request", c.id, "error", err.Error())
	}
	rec := c.w.(*recorder)
	switch {
	case c.stream != nil && rec.status != 0:
		c.stream.fail(e)
	case rec.status == 0 && strings.HasPrefix(c.r.URL.Path, ollamaPath):
		writeOllamaError(c.w, e)
	case rec.status == 0:
		writeError(c.w, e)
	}
}

// finish counts and logs.
func (s *Server) finish(c *call, rec *recorder, failed error) {
	path, model := "other", ""
	if c.at != nil {
		path = c.at.path
	}
	if c.model != nil {
		model = c.model.name
	}
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	if c.r.Context().Err() != nil {
		status = 499 // as nginx has it: the client left
		s.metrics.canceled.Add(1)
	}
	took := time.Since(c.began)
	s.metrics.request(path, status, took)
	s.metrics.prompt.Add(int64(c.prompt))
	s.metrics.generated.Add(int64(c.generated))
	if !c.firstText.IsZero() {
		s.metrics.first.observe(c.firstText.Sub(c.began))
	}
	if c.at == nil || !c.at.open {
		args := []any{"request", c.id, "method", c.r.Method, "path", path, "status", status, "key", c.key, "model", model, "prompt_tokens", c.prompt,
			"completion_tokens", c.generated, "seconds", took.Seconds()}
		if failed != nil {
			args = append(args, "code", asAPI(failed).Code)
		}
		s.log(slog.LevelInfo, "request", args...)
	}
	if s.audit != nil && c.at != nil && c.at.request != nil {
		s.audit.write(c, rec, status)
	}
}

func (s *Server) log(level slog.Level, msg string, args ...any) {
	if s.cfg.log != nil {
		s.cfg.log.Log(context.Background(), level, msg, args...)
	}
}

// newID makes an id that nobody else has.
func newID(prefix string) string {
	var b [12]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	return prefix + "-" + hex.EncodeToString(b[:])
}
