package grammar

import (
	"encoding/binary"
	"errors"
	"slices"
)

// frame is an entry of a stack: where to go on after a rule, or how often a loop has been round. Frames are kept once
// each, so that equal stacks are the same number; 0 is the empty stack.
type frame struct {
	parent int32
	node   int32 // opCall: its next is where to go on; opLoop
	count  int32 // of opLoop: rounds done
}

// config is one place where a text may be: before a byte, with a stack. node < 0 = at the end.
type config struct{ node, frame int32 }

// state is a set of places, sorted.
type state struct {
	at   []config
	next []int32 // state after a byte of each class; unknown = not asked for yet
}

const (
	unknown = -2
	dead    = -1
)

// Matcher is how far a text is in a grammar. It is for one goroutine.
type Matcher struct {
	g      *Grammar
	frames []frame
	frame  map[frame]int32
	states []*state
	state  map[string]int32
	cur    int32

	todo  []config
	seen  map[config]bool
	key   []byte
	found []config

	mask Mask
	way  []step
	work int // since Accept
	err  error
}

// maxStates bounds a matcher's tables; beyond it, they are begun anew.
const maxStates = 1 << 13

// maxSteps bounds the work of one byte that was not met before, maxWork that between two calls of Accept.
const (
	maxSteps = 1 << 15
	maxWork  = 1 << 20
)

// Allows tells whether a text is one of the grammar's, whole.
func (g *Grammar) Allows(text []byte) bool {
	m := g.NewMatcher()
	return m.Accept(text) && m.Complete()
}

// NewMatcher stands at the beginning of a text.
func (g *Grammar) NewMatcher() *Matcher {
	m := &Matcher{g: g}
	m.clear()
	m.Reset()
	return m
}

func (m *Matcher) clear() {
	m.frames, m.frame = []frame{{}}, map[frame]int32{}
	m.states, m.state = nil, map[string]int32{}
	m.seen = map[config]bool{}
}

// Reset goes back to the beginning.
func (m *Matcher) Reset() {
	m.todo = append(m.todo[:0], config{m.g.start, 0})
	if m.cur = m.close(); m.cur == dead { // only where it gives up
		m.cur = m.stuck()
	}
}

// stuck is a state from which nothing leads on.
func (m *Matcher) stuck() int32 {
	m.states = append(m.states, &state{[]config{{0, 0}}, slices.Repeat([]int32{dead}, m.g.classes)})
	return int32(len(m.states) - 1)
}

// Accept takes bytes; false and no change where the grammar does not allow them.
func (m *Matcher) Accept(text []byte) bool {
	m.work = 0
	at := m.cur
	for _, b := range text {
		if at = m.step(at, b); at == dead {
			return false
		}
	}
	m.cur = at
	if len(m.states) > maxStates || len(m.frames) > 16*maxStates {
		m.renew()
	}
	return true
}

// Allows tells whether Accept would take the bytes.
func (m *Matcher) Allows(text []byte) bool {
	m.work = 0
	at := m.cur
	for _, b := range text {
		if at = m.step(at, b); at == dead {
			return false
		}
	}
	return true
}

// Err says why the matcher gave up on its grammar; nil = it did not.
func (m *Matcher) Err() error { return m.err }

// Complete tells whether the text may end here.
func (m *Matcher) Complete() bool { return m.ends(m.cur) }

// ends tells whether a text may end in a state; of a view, whether it may leave the top there.
func (m *Matcher) ends(at int32) bool { return m.states[at].at[0].node < 0 }

// Done tells whether the text must end here.
func (m *Matcher) Done() bool { at := m.states[m.cur].at; return len(at) == 1 && at[0].node < 0 }

// step is the state after byte b.
func (m *Matcher) step(at int32, b byte) int32 {
	s, class := m.states[at], m.g.class[b]
	if s.next[class] == unknown {
		m.todo = m.todo[:0]
		for _, c := range s.at {
			if c.node >= 0 {
				if n := &m.g.nodes[c.node]; m.g.sets[n.set].Has(b) {
					m.todo = append(m.todo, config{n.next, c.frame})
				}
			}
		}
		s.next[class] = m.close()
	}
	return s.next[class]
}

// close follows todo to all places before a byte or at the end, and returns their state.
func (m *Matcher) close() int32 {
	clear(m.seen)
	m.found = m.found[:0]
	for steps := 0; len(m.todo) > 0; steps++ {
		if m.work++; steps > maxSteps || m.work > maxWork {
			m.todo, m.err = m.todo[:0], errors.New("grammar: the text may be at too many places at once; write it with fewer repetitions of what may be empty or begins alike")
		}
		if m.err != nil {
			return dead
		}
		c := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		if m.seen[c] {
			continue
		}
		m.seen[c] = true
		switch n := &m.g.nodes[c.node]; n.kind {
		case opByte:
			m.found = append(m.found, c)
		case opSplit:
			m.todo = append(m.todo, config{n.next, c.frame})
			if n.alt >= 0 {
				m.todo = append(m.todo, config{n.alt, c.frame})
			}
		case opCall:
			m.todo = append(m.todo, config{n.alt, m.push(frame{c.frame, c.node, 0})})
		case opReturn:
			if c.frame == 0 {
				m.found = append(m.found, config{-1, 0})
			} else {
				f := m.frames[c.frame]
				m.todo = append(m.todo, config{m.g.nodes[f.node].next, f.parent})
			}
		case opLoop:
			if n.min == 0 {
				m.todo = append(m.todo, config{n.next, c.frame})
			}
			m.round(n, frame{c.frame, c.node, 0})
		case opAgain:
			if c.frame == 0 { // a view's world ends within the loop
				m.found = append(m.found, config{-1, 0})
				continue
			}
			f, loop := m.frames[c.frame], &m.g.nodes[n.next]
			f.count++
			if loop.max < 0 { // without end: more rounds than wanted are all alike
				f.count = min(f.count, max(loop.min, 1))
			}
			if f.count >= loop.min {
				m.todo = append(m.todo, config{loop.next, f.parent})
			}
			switch {
			case loop.max < 0 || f.count < loop.max || f.count > loop.max && f.count <= loop.max+1+far:
				m.round(loop, f)
			case f.count > loop.max: // a view's world ends where it does not follow the loop
				m.found = append(m.found, config{-1, 0})
			}
		}
	}
	if len(m.found) == 0 {
		return dead
	}
	slices.SortFunc(m.found, func(a, b config) int {
		if a.node != b.node {
			return int(a.node) - int(b.node)
		}
		return int(a.frame) - int(b.frame)
	})
	m.found = slices.Compact(m.found)
	m.key = m.key[:0]
	for _, c := range m.found {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(c.node))
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(c.frame))
	}
	at, ok := m.state[string(m.key)]
	if !ok {
		at = int32(len(m.states))
		m.states, m.state[string(m.key)] = append(m.states, &state{slices.Clone(m.found), slices.Repeat([]int32{unknown}, m.g.classes)}), at
	}
	return at
}

// round begins a round of a loop.
func (m *Matcher) round(loop *node, f frame) {
	m.todo = append(m.todo, config{loop.alt, m.push(f)})
}

func (m *Matcher) push(f frame) int32 {
	id, ok := m.frame[f]
	if !ok {
		id = int32(len(m.frames))
		m.frames, m.frame[f] = append(m.frames, f), id
	}
	return id
}

// renew forgets all states and frames but the current ones.
func (m *Matcher) renew() {
	old, at := m.frames, m.states[m.cur].at
	m.clear()
	moved := map[int32]int32{0: 0}
	var move func(id int32) int32
	move = func(id int32) int32 {
		to, ok := moved[id]
		if !ok {
			f := old[id]
			f.parent = move(f.parent)
			to = m.push(f)
			moved[id] = to
		}
		return to
	}
	m.found = m.found[:0]
	ends := false
	for _, c := range at {
		if c.node < 0 {
			ends = true
			continue
		}
		m.found = append(m.found, config{c.node, move(c.frame)})
	}
	m.todo = append(m.todo[:0], m.found...)
	if ends {
		m.todo = append(m.todo, config{returnNode, 0})
	}
	m.cur = m.close()
}
