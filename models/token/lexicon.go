package token

import (
	"cmp"
	"slices"
)

// lexicon finds the tokens that a text begins with: ids in the order of their texts, and where each two bytes begin.
type lexicon struct {
	texts *index
	ids   []int32
	first [1<<16 + 1]int32 // ids[first[c]:first[c+1]] begin with the two bytes c, a missing second one counting as 0
}

func newLexicon(texts *index, ids []int32) *lexicon {
	x := &lexicon{texts: texts, ids: ids}
	slices.SortFunc(ids, func(a, b int32) int {
		if c := slices.Compare(texts.text(a), texts.text(b)); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	for _, id := range ids {
		x.first[headOf(texts.text(id))+1]++
	}
	for c := range len(x.first) - 1 {
		x.first[c+1] += x.first[c]
	}
	return x
}

func headOf[T string | []byte](text T) int {
	if len(text) < 2 {
		return int(text[0]) << 8
	}
	return int(text[0])<<8 | int(text[1])
}

// prefixes calls found with each token that text (not empty) begins with, shortest first.
func (x *lexicon) prefixes(text string, found func(id int32, n int)) {
	// A token of one byte is the first with that byte, before its first longer one.
	if lo := x.first[int(text[0])<<8]; int(lo) < len(x.ids) {
		if t := x.texts.text(x.ids[lo]); len(t) == 1 && t[0] == text[0] {
			found(x.ids[lo], 1)
		}
	}
	if len(text) < 2 {
		return
	}
	c := headOf(text)
	lo, hi := x.first[c], x.first[c+1]
	for depth := 1; lo < hi; {
		// ids[lo:hi] agree with text in depth bytes and may be longer; narrow them by one byte.
		if n := len(x.texts.text(x.ids[lo])); n == depth { // of one byte, found above, or of this depth, found below
			lo++
			continue
		}
		b := text[depth]
		if x.at(lo, depth) != b || x.at(hi-1, depth) != b {
			lo = x.bound(lo, hi, depth, int(b))
			hi = x.bound(lo, hi, depth, int(b)+1)
			if lo == hi {
				return
			}
		}
		depth++
		if id := x.ids[lo]; len(x.texts.text(id)) == depth {
			found(id, depth)
		}
		if depth == len(text) {
			return
		}
	}
}

func (x *lexicon) at(i int32, depth int) byte { return x.texts.text(x.ids[i])[depth] }

// bound returns the first place in ids[lo:hi] whose byte at depth is c or more.
func (x *lexicon) bound(lo, hi int32, depth, c int) int32 {
	for lo < hi {
		mid := (lo + hi) / 2
		if int(x.at(mid, depth)) < c {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// common returns the length of the longest beginning of text that some token begins with too.
func (x *lexicon) common(text string) int {
	lo, hi := int32(0), int32(len(x.ids))
	for depth := 0; depth < len(text); depth++ {
		for lo < hi && len(x.texts.text(x.ids[lo])) == depth { // shorter ones come first
			lo++
		}
		lo = x.bound(lo, hi, depth, int(text[depth]))
		if hi = x.bound(lo, hi, depth, int(text[depth])+1); lo == hi {
			return depth
		}
	}
	return len(text)
}
