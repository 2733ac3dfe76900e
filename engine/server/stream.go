package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// errGone says that the client no longer reads.
var errGone = errors.New("server: the client no longer reads")

// stream writes server-sent events. While nothing is sent, comments keep the connection open.
type stream struct {
	mu       sync.Mutex
	w        http.ResponseWriter
	rc       *http.ResponseController
	patience time.Duration
	buf      bytes.Buffer
	last     time.Time
	gone     bool
	failed   func(e *apiError) // tells of an error; nil = as chat streams do
	stop     chan struct{}
	stopped  chan struct{}
}

// events begins the answer as a stream of server-sent events.
func (c *call) events() *stream {
	s := c.begin("text/event-stream; charset=utf-8")
	go s.keepAlive(c.s.cfg.alive)
	return s
}

// begin begins an answer that comes in pieces.
func (c *call) begin(kind string) *stream {
	h := c.w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Accel-Buffering", "no") // nginx would gather it
	s := &stream{w: c.w, rc: http.NewResponseController(c.w), patience: c.s.cfg.patience, last: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	c.stream = s
	c.w.WriteHeader(http.StatusOK)
	s.rc.Flush() //nolint:errcheck // a connection that cannot flush sends all at the end
	return s
}

func (s *stream) keepAlive(every time.Duration) {
	defer close(s.stopped)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		if time.Since(s.last) >= every {
			s.buf.WriteString(": keep-alive\n\n")
			s.flush() //nolint:errcheck // the next event fails too
		}
		s.mu.Unlock()
	}
}

// send writes an event; name is "" for those without one.
func (s *stream) send(name string, v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" {
		fmt.Fprintf(&s.buf, "event: %s\n", name)
	}
	s.buf.WriteString("data: ")
	enc := json.NewEncoder(&s.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("server: %T is no JSON: %v", v, err))
	}
	s.buf.WriteByte('\n')
	return s.flush()
}

// line writes a line of JSON.
func (s *stream) line(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	enc := json.NewEncoder(&s.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("server: %T is no JSON: %v", v, err))
	}
	return s.flush()
}

// done ends a stream as OpenAI's API does.
func (s *stream) done() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.WriteString("data: [DONE]\n\n")
	return s.flush()
}

// fail tells of an error in the middle of an answer.
func (s *stream) fail(e *apiError) {
	if s.failed != nil {
		s.failed(e)
		return
	}
	s.send("", errorBody{e}) //nolint:errcheck // then the client is gone too
}

// flush writes what is gathered; a client that takes none of it in time is gone. The caller holds the lock.
func (s *stream) flush() error {
	defer s.buf.Reset()
	if s.gone {
		return errGone
	}
	s.last = time.Now()
	s.rc.SetWriteDeadline(s.last.Add(s.patience)) //nolint:errcheck // not every connection has one
	_, err := s.w.Write(s.buf.Bytes())
	if err == nil {
		if err = s.rc.Flush(); errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	s.rc.SetWriteDeadline(time.Time{}) //nolint:errcheck // as above
	if err != nil {
		s.gone = true
		return errGone
	}
	return nil
}

// close ends the comments.
func (s *stream) close() {
	close(s.stop)
	<-s.stopped
}
