package token

import "math/bits"

// scratch is what one Encode call works with; a pool keeps it between calls.
type scratch struct {
	chain   chain
	spelled []byte
	normal  []byte // normalised text
	path    []best
	words   wordCache
	spm     spmPairer
}

// newScratch is for a vocabulary of so many tokens: a small one has few words of few tokens to remember.
func newScratch(tokens int) *scratch {
	return &scratch{words: wordCache{bits: min(cacheBits, bits.Len(uint(tokens)))}}
}

// wordCache remembers the tokens of recent short pieces. Each piece has two places, so it never grows; of the two the
// one used last stays.
type wordCache struct {
	bits  int // log2 of the pairs of places
	words [][2]cachedWord
}

const (
	cacheBits = 13 // the most: 512 KiB
	maxCached = 16 // bytes of a piece
)

// cachedWord fills half a cache line.
type cachedWord struct {
	lo, hi uint64 // the piece's bytes
	ids    [3]int32
	size   uint8 // the piece's length; 0 = free
	n      uint8 // tokens
}

// find returns the tokens of a piece of 1 to maxCached bytes, or a place that holds its name alone (n = 0) for fill.
func (w *wordCache) find(piece string) *cachedWord {
	if w.words == nil {
		w.words = make([][2]cachedWord, 1<<w.bits)
	}
	// The bytes overlap in lo and hi: with the length it is still one to one.
	var lo, hi uint64
	n := len(piece)
	switch {
	case n >= 8:
		lo, hi = load64(piece), load64(piece[n-8:])
	case n >= 4:
		lo = load32(piece) | load32(piece[n-4:])<<32
	default:
		lo = uint64(piece[0]) | uint64(piece[n/2])<<8 | uint64(piece[n-1])<<16
	}
	h := (lo ^ (hi<<29 | hi>>35) ^ uint64(n)<<56) * 0x9E3779B97F4A7C15
	pair := &w.words[h>>(64-cacheBits)&uint64(len(w.words)-1)]
	first, second := &pair[0], &pair[1]
	if first.lo == lo && first.hi == hi && first.size == uint8(n) {
		return first
	}
	if second.lo == lo && second.hi == hi && second.size == uint8(n) {
		*first, *second = *second, *first
		return first
	}
	*second = *first
	*first = cachedWord{lo: lo, hi: hi, size: uint8(n)}
	return first
}

// fill stores the tokens of a piece. Where they are too many, or none, the piece stays unknown.
func (e *cachedWord) fill(ids []int32) {
	if len(ids) <= len(e.ids) {
		e.n = uint8(copy(e.ids[:], ids))
	}
}

func load32(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

func load64(s string) uint64 {
	_ = s[7]
	return load32(s) | load32(s[4:])<<32
}
