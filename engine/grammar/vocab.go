package grammar

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Vocab is a vocabulary's tokens as a tree of bytes. It does not change, and serves any number of grammars.
type Vocab struct {
	size  int
	ends  []int32    // tokens that end a text
	nodes []trieNode // in the order of a walk: a node's first child follows it
	ids   []int32    // tokens of the nodes, node after node
	most  int        // bytes of the longest token
}

// trieNode is one byte of tokens that begin alike.
type trieNode struct {
	b     byte
	skip  int32 // the node after all that begin with this one
	first int32 // of ids
	count int32
}

// NewVocab makes the tree of n tokens. text gives a token's bytes, none for those that are never generated; ends are the
// tokens that end a text.
func NewVocab(n int, text func(id int32) []byte, ends []int32) *Vocab {
	v := &Vocab{size: n, ends: ends}
	type entry struct {
		text []byte
		id   int32
	}
	var all []entry
	for id := range int32(n) {
		if b := text(id); len(b) > 0 && !slices.Contains(ends, id) {
			all = append(all, entry{b, id})
			v.most = max(v.most, len(b))
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		if c := bytes.Compare(a.text, b.text); c != 0 {
			return c
		}
		return int(a.id - b.id)
	})
	var open []int32 // the nodes of the text before
	var last []byte
	for _, e := range all {
		same := 0
		for same < len(last) && same < len(e.text) && last[same] == e.text[same] {
			same++
		}
		if same < len(open) {
			v.shut(open[same:])
			open = open[:same]
		}
		for _, b := range e.text[same:] {
			open = append(open, int32(len(v.nodes)))
			v.nodes = append(v.nodes, trieNode{b: b, first: int32(len(v.ids))})
		}
		v.nodes[open[len(open)-1]].count++
		v.ids = append(v.ids, e.id)
		last = e.text
	}
	v.shut(open)
	return v
}

// shut ends nodes: what comes next is none of theirs.
func (v *Vocab) shut(open []int32) {
	for _, n := range open {
		v.nodes[n].skip = int32(len(v.nodes))
	}
}

// Mask is a set of tokens.
type Mask []uint64

// Has tells whether the mask holds a token.
func (k Mask) Has(id int32) bool { return k[id/64]>>(id%64)&1 != 0 }

func (k Mask) set(id int32) { k[id/64] |= 1 << (id % 64) }

// Empty tells whether the mask holds no token.
func (k Mask) Empty() bool { return !slices.ContainsFunc(k, func(w uint64) bool { return w != 0 }) }

// masks are the masks of a vocabulary that were made, by what tokens can tell of a state.
type masks struct {
	of   *Vocab
	done map[string]Mask
	path []int32
	key  []byte
}

// maxMasks bounds how many are kept: 19 KB each for 152 000 tokens.
const maxMasks = 2048

// Mask is the set of tokens that may follow: those that the grammar can take whole, and those that end the text where it
// is complete. It stays valid until the next call, and is not to be changed.
func (m *Matcher) Mask(v *Vocab) Mask {
	k := &m.masks
	if k.of != v || len(k.done) >= maxMasks {
		k.of, k.done = v, map[string]Mask{}
	}
	k.key = m.view(k.key[:0], int32(v.most))
	if mask, ok := k.done[string(k.key)]; ok {
		return mask
	}
	mask := make(Mask, (v.size+63)/64)
	m.walk(v, mask)
	if m.Complete() {
		for _, id := range v.ends {
			mask.set(id)
		}
	}
	k.done[string(k.key)] = mask
	return mask
}

// walk sets the tokens that the grammar can take.
func (m *Matcher) walk(v *Vocab, mask Mask) {
	k := &m.masks
	k.path = append(k.path[:0], m.cur) // states along the way from the root
	ends := []int32{int32(len(v.nodes))}
	for i := int32(0); i < int32(len(v.nodes)); {
		for i >= ends[len(ends)-1] {
			ends, k.path = ends[:len(ends)-1], k.path[:len(k.path)-1]
		}
		n := &v.nodes[i]
		to := m.step(k.path[len(k.path)-1], n.b)
		if to == dead {
			i = n.skip
			continue
		}
		for _, id := range v.ids[n.first:][:n.count] {
			mask.set(id)
		}
		if n.skip > i+1 {
			ends, k.path = append(ends, n.skip), append(k.path, to)
		}
		i++
	}
}

// view describes the state as far as most bytes can tell: a loop's rounds to go are all the same beyond that.
func (m *Matcher) view(to []byte, most int32) []byte {
	number := func(v int32) { to = binary.AppendVarint(to, int64(v)) }
	for _, c := range m.states[m.cur].at {
		number(c.node)
		for id := c.frame; id != 0; id = m.frames[id].parent {
			f := m.frames[id]
			number(f.node)
			if n := &m.g.nodes[f.node]; n.kind == opLoop {
				number(min(max(n.min-f.count, 0), most+1))
				if n.max >= 0 {
					number(min(n.max-f.count, most+1))
				}
			}
		}
		number(-2)
	}
	return to
}
