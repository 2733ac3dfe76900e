package grammar

import "encoding/binary"

// A mask is made in two steps. What tokens may follow depends mostly on the top of the stacks: a token within a string does
// not ask where the string stands. So the vocabulary is walked once for each top (a view), by a matcher for whose stacks
// the world ends below it; tokens that leave the top are doubtful, and only these are tried in the place itself (as
// XGrammar tells tokens apart that depend on the context; Dong et al. 2024).

// top is how many frames of a stack a view has.
const top = 2

// far is how many more rounds of a loop a view follows where more may come: a string of at most 40 characters looks the same from each of
// its first 24. Tokens that go round more often are doubtful.
const far = 16

// distant tells whether a loop may end and go round more often than views follow.
func distant(n *node, f frame) bool { return n.max >= 0 && f.count >= n.min && n.max-f.count > far }

// view is what is known of all places that look alike from the top.
type view struct {
	sure  Mask
	doubt []doubt
}

// doubt are parts of the vocabulary's tree whose tokens leave the top after prefix.
type doubt struct {
	prefix []byte
	nodes  []int32 // which follow prefix
}

// Mask is the set of tokens that may follow: those that the grammar can take whole, and those that end the text where it
// is complete. It stays valid until the next call, and is not to be changed.
func (m *Matcher) Mask(v *Vocab) Mask {
	m.key = m.describe(m.key[:0], int32(v.most))
	w := m.g.view(m, v)
	if !m.Complete() && len(w.doubt) == 0 {
		return w.sure
	}
	m.mask = append(m.mask[:0], w.sure...)
	for _, d := range w.doubt {
		at := m.cur
		for _, b := range d.prefix {
			if at = m.step(at, b); at == dead {
				break
			}
		}
		for _, n := range d.nodes {
			if at != dead {
				m.walk(v, at, n)
			}
		}
	}
	if m.Complete() {
		for _, id := range v.ends {
			m.mask.set(id)
		}
	}
	return m.mask
}

// walk sets the tokens of a node of the tree and all that begin with it, as far as the grammar takes them from a state.
func (m *Matcher) walk(v *Vocab, at, node int32) {
	m.way = append(m.way[:0], step{at, false, v.nodes[node].skip})
	for i := node; i < v.nodes[node].skip; {
		for i >= m.way[len(m.way)-1].end {
			m.way = m.way[:len(m.way)-1]
		}
		n := &v.nodes[i]
		to := m.step(m.way[len(m.way)-1].state, n.b)
		if to == dead {
			i = n.skip
			continue
		}
		for _, id := range v.ids[n.first:][:n.count] {
			m.mask.set(id)
		}
		if n.skip > i+1 {
			m.way = append(m.way, step{to, false, n.skip})
		}
		i++
	}
}

// step is a place on the way down the tree.
type step struct {
	state int32
	left  bool  // a shorter text could leave the top
	end   int32 // the node after all that begin with this one
}

// describe tells the state's top as far as most bytes can tell: a loop's rounds to go are all the same beyond that.
func (m *Matcher) describe(to []byte, most int32) []byte {
	number := func(v int32) { to = binary.AppendVarint(to, int64(v)) }
	for _, c := range m.states[m.cur].at {
		number(c.node)
		id := c.frame
		for n := 0; id != 0 && n < top; n++ {
			f := m.frames[id]
			number(f.node)
			if n := &m.g.nodes[f.node]; n.kind == opLoop {
				number(min(max(n.min-f.count, 0), most+1))
				switch {
				case distant(n, f):
					number(-1)
				case n.max >= 0:
					number(min(n.max-f.count, most+1))
				}
			}
			id = f.parent
		}
		number(-2)
	}
	return to
}

// view finds or makes the view of m's state, whose description is m.key.
func (g *Grammar) view(m *Matcher, v *Vocab) *view {
	if w := v.kept.get(g, m.key); w != nil {
		return w
	}
	g.making.Lock()
	defer g.making.Unlock()
	if w := v.kept.get(g, m.key); w != nil { // somebody else was faster
		return w
	}
	w := &view{sure: v.none()}
	p, at := g.look(m)
	from := int32(0)
	if at != dead {
		if n, sure := p.plain(at); sure && p.err == nil {
			copy(w.sure, v.plain[n])
			from = v.others
		}
	}
	if p.err != nil { // too much for all plain texts; those of the vocabulary are fewer
		g.probe = nil
		p, at = g.look(m)
	}
	p.work = 0
	if at != dead {
		w.fill(p, at, v, from)
	}
	if p.err != nil {
		m.err, g.probe = p.err, nil
		return w
	}
	v.put(g, m.key, w)
	return w
}

// maxProbe bounds the states of a grammar's probe, some 400 bytes each; beyond it, they are begun anew.
const maxProbe = 1 << 10

// look puts the grammar's probe where m is, as far as the top.
func (g *Grammar) look(m *Matcher) (p *Matcher, at int32) {
	if g.probe == nil || len(g.probe.states) > maxProbe || len(g.probe.frames) > 4*maxProbe {
		g.probe = g.NewMatcher()
	}
	p = g.probe
	p.work = 0
	p.todo = p.todo[:0]
	for _, c := range m.states[m.cur].at {
		if c.node >= 0 {
			p.todo = append(p.todo, config{c.node, p.cut(m.frames, c.frame, top)})
		}
	}
	return p, p.close()
}

// cut takes over the upper frames of a stack; below them is nothing.
func (m *Matcher) cut(frames []frame, id int32, n int) int32 {
	if id == 0 || n == 0 {
		return 0
	}
	f := frames[id]
	if loop := &m.g.nodes[f.node]; loop.kind == opLoop && distant(loop, f) {
		f.count = loop.max + 1
	}
	f.parent = m.cut(frames, f.parent, n-1)
	return m.push(f)
}

// fill walks the vocabulary from a node. A token is sure when the top takes it, or ends with it: what is below goes on somehow.
func (w *view) fill(p *Matcher, at int32, v *Vocab, from int32) {
	way, said := []step{{at, false, int32(len(v.nodes))}}, []byte(nil)
	doubtAt := []int{-1} // for each step of the way its doubt
	for i := from; i < int32(len(v.nodes)); {
		for i >= way[len(way)-1].end {
			way, doubtAt, said = way[:len(way)-1], doubtAt[:len(doubtAt)-1], said[:len(said)-1]
		}
		n, last := &v.nodes[i], len(way)-1
		to := p.step(way[last].state, n.b)
		if to == dead {
			if way[last].left {
				if doubtAt[last] < 0 {
					doubtAt[last] = len(w.doubt)
					w.doubt = append(w.doubt, doubt{prefix: append([]byte(nil), said...)})
				}
				d := &w.doubt[doubtAt[last]]
				d.nodes = append(d.nodes, i)
			}
			i = n.skip
			continue
		}
		for _, id := range v.ids[n.first:][:n.count] {
			w.sure.set(id)
		}
		if n.skip > i+1 {
			way = append(way, step{to, way[last].left || p.states[to].at[0].node < 0, n.skip})
			doubtAt, said = append(doubtAt, -1), append(said, n.b)
		}
		i++
	}
}
