package server

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Demand says how models are opened with the first request that asks for them, and closed again.
type Demand struct {
	KeepAlive time.Duration // how long after its last request a model stays open; negative = until another needs its room
	Memory    int64         // bytes of the files of open models at most; 0 = no bound
	Pinned    []string      // models that are open from the beginning and stay
}

// OnDemand makes models open on demand. It is called before Load; those that are pinned were added before it.
func (ms *Models) OnDemand(d Demand) error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if d.Memory < 0 {
		return fmt.Errorf("server: memory for models is %d bytes, want 0 (no bound) or more", d.Memory)
	}
	for _, name := range d.Pinned {
		e := ms.find(name)
		if e == nil {
			return fmt.Errorf("server: there is no model %q to pin", name)
		}
		e.pinned = true
	}
	for _, e := range ms.entries {
		e.keep = d.KeepAlive
	}
	ms.demand = &d
	return nil
}

// lazy is the part of an entry for a model that opens on demand.
type lazy struct {
	pending *pending      // the opening under way; nil = none
	waiting int           // requests that wait for one
	keep    time.Duration // as Demand.KeepAlive, or as a request said
	last    time.Time     // when its last request ended
	timer   *time.Timer
}

// pending is an opening that requests wait for.
type pending struct {
	done chan struct{}
	err  error // once done is closed
}

func (ms *Models) onDemand(e *entry) bool { return ms.demand != nil && !e.pinned }

// idle tells whether nobody has the model or waits for it.
func (e *entry) idle() bool { return e.current.users == 0 && e.waiting == 0 }

// await waits until the model is opened, for which it sees. The caller holds the lock, which is given up meanwhile.
func (ms *Models) await(ctx context.Context, e *entry) error {
	p := e.pending
	if p == nil {
		p = &pending{done: make(chan struct{})}
		e.pending = p
		go ms.openNow(e, p)
	}
	e.waiting++
	ms.mu.Unlock()
	var err error
	select {
	case <-p.done:
		err = p.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	ms.mu.Lock()
	if e.waiting--; err != nil && e.current != nil {
		ms.rest(e) // who asked for it has left
	}
	return err
}

// openNow opens a model for the requests that wait for it.
func (ms *Models) openNow(e *entry, p *pending) {
	ms.opening.Lock()
	defer ms.opening.Unlock()
	l, err := ms.openOne(context.Background(), e) // for all who wait, whoever leaves
	if err != nil {
		err = &openError{e.name, err}
	} else {
		ms.recall(l)
	}
	ms.mu.Lock()
	var gone []*loaded
	if err == nil && ms.closed {
		err = unavailable("the server goes down", "model_closed")
	}
	if err == nil {
		gone, err = ms.install(e, l)
	}
	if err == nil {
		ms.opens++
	} else {
		gone = append(gone, l)
	}
	e.pending, p.err = nil, err
	close(p.done)
	ms.mu.Unlock()
	ms.retire(gone...) //nolint:errcheck // read-only
}

// openError is a model that could not be opened for a request.
type openError struct {
	name string
	err  error
}

func (e *openError) Error() string {
	return fmt.Sprintf("the model %q cannot be opened: %v", e.name, e.err)
}
func (e *openError) Unwrap() error { return e.err }

// mayFit refuses a model that has no room beside the pinned ones, whatever else is closed. The caller holds the lock.
func (ms *Models) mayFit(e *entry, bytes int64) error {
	if ms.demand == nil || ms.demand.Memory == 0 {
		return nil
	}
	pinned := int64(0)
	for _, x := range ms.entries {
		if x != e && x.pinned && x.about != nil {
			pinned += x.about[0].bytes
		}
	}
	if bytes+pinned > ms.demand.Memory {
		return &apiError{Status: http.StatusServiceUnavailable, Type: typeServer, Code: codeMemory,
			Message: fmt.Sprintf("the model %q has %d bytes beside %d of pinned ones, and %d are allowed for models (--model-memory)", e.name, bytes, pinned, ms.demand.Memory)}
	}
	return nil
}

// install makes l the model of e, at the cost of others that are idle, least recently used first; an error where there is no room all
// the same. What it gives is to be retired. The caller holds the lock.
func (ms *Models) install(e *entry, l *loaded) (gone []*loaded, err error) {
	if err := ms.mayFit(e, l.bytes); err != nil {
		return nil, err
	}
	var idle []*entry
	held := l.bytes
	for _, x := range ms.entries {
		if x == e || x.current == nil {
			continue
		}
		held += x.current.bytes
		if ms.onDemand(x) && x.idle() {
			idle = append(idle, x)
		}
	}
	slices.SortFunc(idle, func(a, b *entry) int { return a.last.Compare(b.last) })
	var victims []*entry
	for ms.demand != nil && ms.demand.Memory > 0 && held > ms.demand.Memory {
		if len(victims) == len(idle) {
			return nil, unavailable(fmt.Sprintf("there is no room for the model %q while others are in use; try again", e.name), codeMemory)
		}
		x := idle[len(victims)]
		victims = append(victims, x)
		held -= x.current.bytes
	}
	for _, x := range victims {
		ms.evictions++
		gone = append(gone, ms.letGo(x))
	}
	if e.current != nil {
		gone = append(gone, e.current)
	}
	e.current, e.about = l, l.abouts(e)
	ms.rest(e)
	return gone, nil
}

// letGo takes an idle model out, to be retired. The caller holds the lock.
func (ms *Models) letGo(e *entry) *loaded {
	l := e.current
	e.current, e.keep = nil, ms.demand.KeepAlive
	return l
}

// rest is called when a request leaves a model: an idle one closes after a while. The caller holds the lock.
func (ms *Models) rest(e *entry) {
	if !ms.onDemand(e) || !e.idle() {
		return
	}
	e.last = time.Now()
	if e.timer != nil {
		e.timer.Stop()
	}
	if l := e.current; e.keep >= 0 {
		e.timer = time.AfterFunc(e.keep, func() { ms.expire(e, l) })
	}
}

// expire closes a model that was idle for long enough.
func (ms *Models) expire(e *entry, l *loaded) {
	ms.mu.Lock()
	due := e.current == l && e.idle() && e.keep >= 0 && time.Since(e.last) >= e.keep
	if due {
		ms.letGo(e)
	}
	ms.mu.Unlock()
	if due {
		ms.retire(l) //nolint:errcheck // read-only
	}
}

// keepAlive sets how long an open model stays after its last request, until it is closed; 0 = it is closed with the last. A model that
// stays open for good cannot be told to go.
func (ms *Models) keepAlive(name string, d time.Duration) error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	e, err := ms.named(name)
	switch {
	case err != nil:
		return err
	case !ms.onDemand(e) && d == 0:
		return badField("keep_alive", codeUnsupported, "is 0, and the model %q stays open: the server was started so (without --on-demand, or with --pin)", e.name)
	case ms.onDemand(e) && e.current != nil:
		e.keep = d
		ms.rest(e)
	}
	return nil
}

// ParseKeepAlive reads a time as ollama has it: 5m, 1h30m, a number of seconds, or less than 0 for ever.
func ParseKeepAlive(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, e := strconv.ParseFloat(text, 64); e == nil {
		d, err = 0, nil
		switch {
		case seconds < 0:
			d = -1
		case seconds < math.MaxInt64/float64(time.Second):
			d = time.Duration(seconds * float64(time.Second))
		default:
			err = strconv.ErrRange
		}
		if seconds != seconds {
			err = strconv.ErrSyntax
		}
	}
	if err != nil {
		return 0, fmt.Errorf("is %.40q, want a time such as 5m, a number of seconds, or -1 for ever", text)
	}
	return max(d, -1), nil
}

// States of a model, as LM Studio names them.
const (
	stateLoaded    = "loaded"
	stateLoading   = "loading"
	stateNotLoaded = "not-loaded"
)

// status is how a model is now.
type status struct {
	*about
	state   string
	expires time.Time // when it will be closed if nobody asks for it; of open models
}

// never is when a model is closed that is not.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// all tells of all models that were open once.
func (ms *Models) all() []status {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	var all []status
	for _, e := range ms.visible() {
		for _, a := range e.about {
			all = append(all, ms.statusOf(e, a))
		}
	}
	return all
}

// status tells of one model.
func (ms *Models) status(name string) (status, error) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	e, err := ms.named(name)
	if err == nil && e.about == nil {
		err = notOpen(e.name)
	}
	if err != nil {
		return status{}, err
	}
	return ms.statusOf(e, e.about[max(0, slices.Index(e.names(), name))]), nil
}

func (ms *Models) statusOf(e *entry, a *about) status {
	s := status{a, stateNotLoaded, never}
	switch {
	case e.current == nil && e.pending != nil:
		s.state = stateLoading
	case e.current != nil:
		s.state = stateLoaded
		if ms.onDemand(e) && e.keep >= 0 {
			if s.expires = e.last.Add(e.keep); !e.idle() {
				s.expires = time.Now().Add(e.keep)
			}
		}
	}
	return s
}

// counts tells how often a model was opened for a request, and closed to make room.
func (ms *Models) counts() (opens, evictions int64) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.opens, ms.evictions
}
