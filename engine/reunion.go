package engine

import "time"

// reunion keeps streams together that generate at the same time. One that leaves a pass with its logits is expected back
// until the next begins; while any is, and the pass is not long over, nobody leads. The last to come back leads, so waiting
// costs no processor, and a stream alone does not wait. One that stays away too often, for its reader is slow, is not waited for.
type reunion struct {
	round    uint64 // of the pass, from 1 on
	expected int    // streams that are to come back
	patience time.Duration
	armed    uint64 // round that the timer is for
	timer    *time.Timer
}

// seat is a session's part in it; guarded by the queue's mu.
type seat struct {
	taken bool   // by a Stream that runs
	round uint64 // of its last pass; 0 = it is back
	late  int    // how often in a row it was not back in time; from maxLate on, it is not waited for
}

// A stream that was late maxLate times in a row is given another chance after pardon tokens.
const (
	maxLate = 3
	pardon  = 16
)

// The wait is a part of the last pass's time, so that it costs little where it is in vain.
const (
	patiencePart = 8
	minPatience  = 100 * time.Microsecond
	maxPatience  = 10 * time.Millisecond
)

// join makes a session's evaluations those of a stream.
func (q *queue) join(s *seat) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !s.taken {
		*s = seat{taken: true}
	}
}

// leave says that a session's stream has ended.
func (q *queue) leave(s *seat) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.round == q.round && s.late < maxLate && s.round > 0 {
		q.expected--
		q.elect(nil)
	}
	*s = seat{}
}

// expect notes that the sequences of a call that is done go out. mu is held.
func (q *queue) expect(lines []line) {
	for i := range lines {
		if s := &lines[i].session.seat; s.taken {
			if s.round = q.round; s.late < maxLate {
				q.expected++
			}
		}
	}
}

// back notes that they are back. mu is held.
func (q *queue) back(lines []line) {
	for i := range lines {
		s := &lines[i].session.seat
		switch {
		case s.round == 0:
			continue
		case s.late >= maxLate:
			if s.late++; s.late > maxLate+pardon {
				s.late = maxLate - 1
			}
		case s.round == q.round:
			q.expected--
			s.late = 0
		default:
			s.late++
		}
		s.round = 0
	}
}

// begin is called when a pass begins: who is not back is late. mu is held.
func (q *queue) begin() {
	q.round++
	q.expected = 0
}

// took tells how long the pass was.
func (q *queue) took(d time.Duration) {
	q.patience = min(max(d/patiencePart, minPatience), maxPatience)
}

// awaits tells whether those who are back wait for others; there is a timer then that ends it. mu is held.
func (q *queue) awaits() bool {
	if q.expected == 0 {
		return false
	}
	if q.armed != q.round {
		q.armed = q.round
		if q.timer == nil {
			q.timer = time.AfterFunc(q.patience, q.enough)
		} else {
			q.timer.Reset(q.patience)
		}
	}
	return true
}

// enough ends the wait.
func (q *queue) enough() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.armed == q.round && !q.leading {
		q.begin()
		q.elect(nil)
	}
}
