package grammar

import (
	"bytes"
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
