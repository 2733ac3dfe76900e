package server

import (
	"context"
	"sync"
)

// queue hands out slots, first come, first served. A slot is one sequence that is generated.
type queue struct {
	mu      sync.Mutex
	free    int
	waiting []*ticket
}

// ticket is a place in the queue.
type ticket struct {
	q     *queue
	n     int           // slots
	ready chan struct{} // closed when the slots are given
	given bool          // guarded by q.mu, as is done
	done  bool
}

// join takes a place for n slots.
func (q *queue) join(n int) *ticket {
	t := &ticket{q: q, n: n, ready: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, t)
	q.serve()
	return t
}

// serve gives slots to those in front.
func (q *queue) serve() {
	for len(q.waiting) > 0 && q.waiting[0].n <= q.free {
		t := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.free -= t.n
		t.given = true
		close(t.ready)
	}
}

// wait waits for the slots, or gives up with ctx.
func (t *ticket) wait(ctx context.Context) error {
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave gives the slots, or the place, back. Leaving twice is harmless.
func (t *ticket) leave() {
	q := t.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.done {
		return
	}
	t.done = true
	if t.given {
		q.free += t.n
	} else {
		for i, w := range q.waiting {
			if w == t {
				q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
				break
			}
		}
	}
	q.serve()
}

// state tells how many slots are free and how many requests wait.
func (q *queue) state() (free, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free, len(q.waiting)
}
