package engine

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/freehold-slm/freehold/kernels"
)

// Layers without attention (short convolutions, state spaces) leave a state of fixed size behind a token, for all of them
// one slice of plan.state values. It is written over from token to token and cannot be cut back, as keys and values
// can. So a session keeps marks, states after fewer tokens, and one that has to go back (Truncate, a draft that was wrong, an
// evaluation that failed) goes to the last mark before: it holds its tokens all the same, and the next evaluation computes
// the state anew from there. As that gives the same bits, only the time tells.

// state is refs owners' state: whoever writes to a shared one copies it first.
type state struct {
	refs atomic.Int32
	x    []float32
}

// mark is a state after so many tokens; it holds a reference.
type mark struct {
	at    int
	state *state
}

// recurrence is the part of a session that holds its state.
type recurrence struct {
	state *state // after the first len(tokens)-lag tokens; nil = zeros, after none
	lag   int    // tokens held that the state does not know
	wet   bool   // an evaluation writes it: it is no state after any token
	marks []mark // rising
}

// Marks of a session: at most so many, and fewer of states so large that they would take more than so many bytes.
const (
	maxMarks     = 8
	maxMarkBytes = 64 << 20
)

// maxStateValues bounds a state, 1 GiB: a small file can ask for far more than its weights take.
const maxStateValues = 1 << 28

// stateStore keeps states that nobody holds any more for the next that needs one.
type stateStore struct {
	mu   sync.Mutex
	free []*state
}

// newState gives a state whose contents mean nothing; its memory is reserved.
func (m *Model) newState() *state {
	st := &m.states
	st.mu.Lock()
	defer st.mu.Unlock()
	var s *state
	if n := len(st.free); n > 0 {
		s, st.free = st.free[n-1], st.free[:n-1]
	} else {
		s = &state{x: make([]float32, m.plan.state)}
	}
	s.refs.Store(1)
	return s
}

// dropState lets go of one reference; nil is none.
func (m *Model) dropState(s *state) {
	if s == nil || s.refs.Add(-1) > 0 {
		return
	}
	m.give(m.stateBytes())
	st := &m.states
	st.mu.Lock()
	defer st.mu.Unlock()
	if (len(st.free)+1)*4*len(s.x) <= maxFree {
		st.free = append(st.free, s)
	}
}

func (s *stateStore) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = nil
}

// ownsState tells whether nobody else holds the session's state.
func (s *Session) ownsState() bool { return s.rec.state != nil && s.rec.state.refs.Load() == 1 }

// ownState makes it so.
func (s *Session) ownState() {
	r := &s.rec
	own := s.m.newState()
	if r.state == nil {
		clear(own.x)
	} else {
		copy(own.x, r.state.x)
		s.m.dropState(r.state)
	}
	r.state = own
}

// mark keeps the state as it is now, after all tokens held.
func (s *Session) mark() {
	r := &s.rec
	if n := len(r.marks); s.m.plan.state == 0 || n > 0 && r.marks[n-1].at == len(s.tokens) {
		return
	}
	r.state.refs.Add(1)
	r.marks = append(r.marks, mark{len(s.tokens), r.state})
	if most := min(maxMarks, max(2, maxMarkBytes/(4*s.m.plan.state))); len(r.marks) > most {
		i := s.leastMark()
		s.m.dropState(r.marks[i].state)
		r.marks = slices.Delete(r.marks, i, i+1)
	}
}

// leastMark is the mark that is missed least: the one, but the last, with the narrowest gap around it for its distance from
// the end, so that going back costs about as many tokens as it goes back.
func (s *Session) leastMark() int {
	marks := s.rec.marks
	least, loss := 0, 0.0
	for i := range len(marks) - 1 {
		before := 0
		if i > 0 {
			before = marks[i-1].at
		}
		l := float64(marks[i+1].at-before) / float64(len(s.tokens)-marks[i].at)
		if i == 0 || l < loss {
			least, loss = i, l
		}
	}
	return least
}

// goBack makes the session hold its first n tokens; the state is that of the last mark before, unless it is one after n
// tokens or fewer already. Pages beyond the state are let go of.
func (s *Session) goBack(n int) {
	r := &s.rec
	at := len(s.tokens) - r.lag
	for len(r.marks) > 0 && r.marks[len(r.marks)-1].at > n {
		s.m.dropState(r.marks[len(r.marks)-1].state)
		r.marks = r.marks[:len(r.marks)-1]
	}
	if at > n || r.wet {
		s.m.dropState(r.state)
		r.state, at = nil, 0
		if k := len(r.marks); k > 0 {
			r.state, at = r.marks[k-1].state, r.marks[k-1].at
			r.state.refs.Add(1)
		}
	}
	s.tokens, r.lag, r.wet = s.tokens[:n], n-at, false
	s.keepPages(pagesFor(at))
}

// assignState makes s's state that of another.
func (s *Session) assignState(from *recurrence) {
	from.eachState(func(x *state) { x.refs.Add(1) })
	s.dropStates()
	s.rec.state, s.rec.lag, s.rec.marks = from.state, from.lag, append(s.rec.marks, from.marks...)
}

// eachState calls fn with every state that is held.
func (r *recurrence) eachState(fn func(*state)) {
	if r.state != nil {
		fn(r.state)
	}
	for _, m := range r.marks {
		fn(m.state)
	}
}

// dropStates lets go of all states.
func (s *Session) dropStates() {
	r := &s.rec
	s.m.dropState(r.state)
	for _, m := range r.marks {
		s.m.dropState(m.state)
	}
	clear(r.marks)
	r.state, r.lag, r.marks = nil, 0, r.marks[:0]
}

// marked tells whether the session ends where a mark is set while it grows: where a page does.
func (s *Session) marked() bool { return len(s.tokens)%kernels.PageKeys == 0 }
