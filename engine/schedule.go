package engine

import (
	"context"
	"sync"
	"time"
)

// Evaluations of one model that are asked for at the same time are computed together (continuous batching), by flat combining: no
// goroutine stands by. Whoever finds nobody at it leads: takes what waits, computes one pass of the model, hands results
// out, and goes on while its own is not done; who leaves names the next. Everybody else sleeps. A pass holds tokens of many
// calls, and a call's tokens may need many passes (see fill); that it shares them changes no bit of its results.
//
// After a pass most callers look at their logits and are back soon. The first of them should not compute alone, so nobody
// leads while streams that were in the last pass are between two tokens, for a part of that pass's time at most (see reunion).

// call is one caller's evaluation: sequences that succeed or fail together.
type call struct {
	ctx   context.Context
	lines []line
	to    sink
	watch func(name string, x []float32, width int) // computed alone then; see runner.watch

	left   int   // lines that are not done
	err    error // why it failed
	thrown any   // what its sink panicked with
	solo   bool  // its next pass is its own: one that it shared failed, and nobody knows by whom
	state  callState
	led    bool          // was told to lead
	wake   chan struct{} // holds one: it is done, or is to lead
	one    [1]Seq
}

type callState uint8

const (
	callWaits  callState = iota // in queue.waiting: its sessions are as they were
	callActive                  // in queue.active
	callDone
)

// queue is who waits for an evaluation, and who leads. A call belongs to its caller until it is entered, and again when it is done.
type queue struct {
	mu      sync.Mutex
	idle    sync.Cond // nothing is left to do in a closed model
	closed  bool
	leading bool
	waiting []*call // in order of arrival
	active  []*call // taken up, in order; whoever leads may touch it without mu
	taken   int     // len(active)
	free    []*call // for later

	reunion
	hunger
	passes, rows uint64
}

// Load is what a model does.
type Load struct {
	Waiting, Active int    // evaluations that wait for the next pass, and that were taken up
	Passes, Rows    uint64 // since it was opened; rows = tokens computed
	KVBytes, KVMax  int64  // of keys, values and states that sessions and caches hold; 0 = no bound
}

// Load tells what the model does now.
func (m *Model) Load() Load {
	q := &m.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	return Load{len(q.waiting), q.taken, q.passes, q.rows, m.memory.held(), m.memory.most}
}

// get gives an empty call.
func (q *queue) get() *call {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.free); n > 0 {
		c := q.free[n-1]
		q.free = q.free[:n-1]
		return c
	}
	return &call{wake: make(chan struct{}, 1)}
}

// maxFreeCalls bounds the calls kept for later.
const maxFreeCalls = 64

// put gives a call's sessions back to their owner, and keeps it for later.
func (q *queue) put(c *call) {
	for i := range c.lines {
		c.lines[i].session.busy.Store(false)
	}
	clear(c.lines)
	*c = call{wake: c.wake, lines: c.lines[:0]}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.free) < maxFreeCalls {
		q.free = append(q.free, c)
	}
}

// do evaluates a call whose sessions are claimed, and returns when it is done.
func (m *Model) do(c *call) error {
	q := &m.queue
	if err := c.ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	q.back(c.lines)
	q.waiting = append(q.waiting, c)
	q.hungry.Store(false)
	lead := q.elect(c)
	q.mu.Unlock()
	for {
		if !lead {
			if !q.wait(c) {
				return c.ctx.Err()
			}
			if c.state == callDone {
				break
			}
		}
		m.turn(c)
		q.mu.Lock()
		q.leading = false
		done := c.state == callDone
		lead = q.elect(c)
		q.mu.Unlock()
		if done {
			break
		}
	}
	if c.thrown != nil {
		panic(c.thrown)
	}
	return c.err
}

// wait sleeps until the call is done or is to lead; false = its context ended while nobody had taken it up.
func (q *queue) wait(c *call) bool {
	select {
	case <-c.wake:
		return true
	case <-c.ctx.Done():
	}
	q.mu.Lock()
	if c.state == callWaits && !c.led {
		q.waiting = without(q.waiting, c)
		q.mu.Unlock()
		return false
	}
	q.hungry.Store(false)
	lead := c.state != callDone && q.elect(c)
	q.mu.Unlock()
	if !lead {
		<-c.wake // whoever leads sees it before the next pass
	}
	return true
}

func without(calls []*call, c *call) []*call {
	kept := calls[:0]
	for _, x := range calls {
		if x != c {
			kept = append(kept, x)
		}
	}
	clear(calls[len(kept):])
	return kept
}

// elect names who leads where somebody should; true = c shall, which is the caller's own call, or nil. mu is held.
func (q *queue) elect(c *call) bool {
	switch {
	case q.leading:
		return false
	case len(q.active)+len(q.waiting) == 0:
		if q.closed {
			q.idle.Broadcast()
		}
		return false
	case q.hungry.Load() || q.awaits():
		return false
	}
	q.leading = true
	if c != nil && c.state != callDone {
		return true
	}
	next := q.waiting
	if len(q.active) > 0 {
		next = q.active
	}
	next[0].led = true
	next[0].wake <- struct{}{}
	return false
}

// turn is one pass by the caller of own: it takes up what waits, computes, and ends what is done.
func (m *Model) turn(own *call) {
	m.family.turns.Lock() // what comes while another model of the family computes is taken up too
	defer m.family.turns.Unlock()
	q, r := &m.queue, m.runner
	q.mu.Lock()
	own.led = false
	q.begin()
	for _, c := range q.waiting {
		c.state = callActive
		if q.closed {
			c.err = ErrClosed
		}
	}
	q.active = append(q.active, q.waiting...)
	q.taken = len(q.active)
	clear(q.waiting)
	q.waiting = q.waiting[:0]
	q.mu.Unlock()

	defer m.end(own, time.Now())
	for _, c := range q.active {
		c.begin()
	}
	freed := m.memory.freed.Load()
	if r.fill(q.active); r.n == 0 {
		m.starve(freed)
		return
	}
	r.pass()
}

// end ends the calls that are done, also where a pass panicked.
func (m *Model) end(own *call, start time.Time) {
	q, r := &m.queue, m.runner
	thrown := recover()
	if thrown != nil {
		for _, c := range q.active {
			if c.err == nil && (c == own || r.holds(c)) {
				c.err = errPanicked
			}
		}
	}
	for _, c := range q.active {
		if c.over() {
			c.end()
		}
	}
	q.mu.Lock()
	if r.n > 0 {
		q.passes++
		q.rows += uint64(r.n)
		q.took(time.Since(start))
	}
	r.let()
	left := q.active[:0]
	for _, c := range q.active {
		if !c.over() {
			left = append(left, c)
			continue
		}
		c.state = callDone
		q.expect(c.lines)
		if c != own {
			c.wake <- struct{}{}
		}
	}
	clear(q.active[len(left):])
	q.active, q.taken = left, len(left)
	if thrown != nil {
		q.leading = false
		q.elect(nil)
	}
	q.mu.Unlock()
	if thrown != nil {
		panic(thrown)
	}
}

// over tells whether nothing of the call is left to compute.
func (c *call) over() bool { return c.failed() || c.left == 0 }

// close lets what was taken up end, and refuses the rest; false = the model was closed before.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	q.elect(nil) // those who wait are told by whoever leads
	for q.leading || len(q.active)+len(q.waiting) > 0 {
		q.idle.Wait()
	}
	return true
}
