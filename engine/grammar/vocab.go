package grammar

import (
	"bytes"
	"slices"
)

// Vocab is a vocabulary's tokens as a tree of bytes, and what is known of them in places of grammars. It serves any number of
// grammars and goroutines.
type Vocab struct {
	size  int
	ends  []int32    // tokens that end a text
	nodes []trieNode // in the order of a walk: a node's first child follows it; plain tokens come first
	ids   []int32    // tokens of the nodes, node after node
	most  int        // bytes of the longest token

	plain  [mostPlain + 1]Mask // plain tokens of at most so many characters
	others int32               // the first node of those that are not plain

	kept kept
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
	v := &Vocab{size: n, ends: ends, kept: kept{most: mostKept}}
	for i := range v.plain {
		v.plain[i] = v.none()
	}
	var plain, others []entry
	for id := range int32(n) {
		b := text(id)
		if len(b) == 0 || slices.Contains(ends, id) {
			continue
		}
		v.most = max(v.most, len(b))
		if chars := plainChars(b); chars > 0 {
			plain = append(plain, entry{b, id})
			for i := chars; i <= mostPlain; i++ {
				v.plain[i].set(id)
			}
		} else {
			others = append(others, entry{b, id})
		}
	}
	v.grow(plain)
	v.others = int32(len(v.nodes))
	v.grow(others)
	return v
}

// entry is a token.
type entry struct {
	text []byte
	id   int32
}

// grow adds the tree of tokens.
func (v *Vocab) grow(all []entry) {
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
}

// none is a mask without tokens.
func (v *Vocab) none() Mask { return make(Mask, (v.size+63)/64) }

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
