package ui

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
	"time"
)

// events is an answer of server-sent events.
type events struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	rc   *http.ResponseController
	gone bool
}

// patience is how long a browser may take nothing.
const patience = 30 * time.Second

func begin(w http.ResponseWriter) *events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would gather it
	w.WriteHeader(http.StatusOK)
	return &events{w: w, rc: http.NewResponseController(w)}
}

// send writes an event; false = the browser is gone.
func (e *events) send(name string, v any) bool {
	return e.write([]byte("event: " + name + "\ndata: " + string(writeJSON(v)) + "\n\n"))
}

func (e *events) write(b []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return false
	}
	e.rc.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // not every connection has one
	_, err := e.w.Write(b)
	if err == nil {
		if err = e.rc.Flush(); errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	e.gone = err != nil
	return !e.gone
}

// follow sends a part of a page anew whenever look's mark changes, until the browser leaves. Files are polled: what another machine writes to a shared folder tells nobody.
func (s *Site) follow(w http.ResponseWriter, r *http.Request, part string, look func() (mark string, data any)) {
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many pages follow runs; close one", http.StatusServiceUnavailable)
		return
	}
	e := begin(w)
	before, last, size := "", time.Now(), 0
	for {
		start := time.Now()
		mark, data := look()
		// Less often where looking takes long (many runs, a slow network's folder), and at most 100 kB a second.
		pause := max(s.opt.Refresh, 10*time.Since(start), time.Duration(size)*10*time.Microsecond)
		switch {
		case data == nil:
			e.send("gone", "")
			return
		case mark != before:
			var b bytes.Buffer
			if err := s.pages.ExecuteTemplate(&b, part, data); err != nil {
				s.log("part "+part, err)
				return
			}
			before, last, size = mark, time.Now(), b.Len()
			if !e.send("part", b.String()) {
				return
			}
		case time.Since(last) > 15*time.Second:
			if last = time.Now(); !e.write([]byte(": still here\n\n")) {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.opt.Done:
			return
		case <-time.After(pause):
		}
	}
}
