package token

import (
	"cmp"
	"slices"
	"strings"
)

// fragment is a stretch of the input: a special token, or text where id < 0.
type fragment struct {
	start, end int
	id         int32
}

// specials finds special tokens in text.
type specials struct {
	byLength []special // longest text first, then by id: the order in which they claim text
	sorted   []int32   // indices into byLength, by text, for the scan
	first    [256]bool // bytes that begin a special token
}

type special struct {
	text           string
	id             int32
	always         bool // user-defined: found without ParseSpecial too
	lstrip, rstrip bool
}

func newSpecials(v *Vocab) *specials {
	s := &specials{}
	for id, text := range v.Tokens {
		switch typ := v.TypeOf(id); typ {
		case Unknown, Control, UserDefined:
			if text == "" {
				continue
			}
			s.byLength = append(s.byLength, special{
				text: strings.Clone(text), id: int32(id), always: typ == UserDefined,
				lstrip: slices.Contains(v.LStrip, int32(id)), rstrip: slices.Contains(v.RStrip, int32(id)),
			})
			s.first[text[0]] = true
		}
	}
	slices.SortStableFunc(s.byLength, func(a, b special) int { return len(b.text) - len(a.text) })
	s.sorted = make([]int32, len(s.byLength))
	for i := range s.sorted {
		s.sorted[i] = int32(i)
	}
	slices.SortFunc(s.sorted, func(a, b int32) int { return cmp.Compare(s.byLength[a].text, s.byLength[b].text) })
	return s
}

// partition cuts text at special tokens. The longest special token claims all its places first, left to right, then
// the next longest takes its places in what is left, and so on; white space is stripped beside those that ask for it.
func (s *specials) partition(text string, parse bool) []fragment {
	frags := []fragment{{0, len(text), -1}}
	for _, index := range s.present(text, parse) {
		sp := &s.byLength[index]
		var next []fragment
		for _, fr := range frags {
			if fr.id >= 0 {
				next = append(next, fr)
				continue
			}
			next = sp.split(next, text, fr)
		}
		frags = next
	}
	return frags
}

// split appends the parts of text fragment fr to dst.
func (sp *special) split(dst []fragment, text string, fr fragment) []fragment {
	for fr.start < fr.end {
		i := strings.Index(text[fr.start:fr.end], sp.text)
		if i < 0 {
			return append(dst, fr)
		}
		at := fr.start + i
		left := at
		if sp.lstrip {
			for left > fr.start && isSpace(text[left-1]) {
				left--
			}
		}
		if left > fr.start {
			dst = append(dst, fragment{fr.start, left, -1})
		}
		fr.start = at + len(sp.text)
		dst = append(dst, fragment{at, fr.start, sp.id})
		if sp.rstrip {
			for fr.start < fr.end && isSpace(text[fr.start]) {
				fr.start++
			}
		}
	}
	return dst
}

// present lists (as indices into byLength) the special tokens that occur anywhere in text, in claiming order, in one pass over the text.
func (s *specials) present(text string, parse bool) []int32 {
	var list []int32
	var seen []bool
	for i := 0; i < len(text); i++ {
		if !s.first[text[i]] {
			continue
		}
		// Narrow the sorted texts to those that share a growing prefix with text[i:].
		lo, hi := 0, len(s.sorted)
		for depth := 0; lo < hi && i+depth < len(text); depth++ {
			c := text[i+depth]
			if s.at(lo, depth) != c || s.at(hi-1, depth) != c { // most prefixes go on alike
				lo = s.bound(lo, hi, depth, int(c))
				hi = s.bound(lo, hi, depth, int(c)+1)
				if lo == hi {
					break
				}
			}
			index := s.sorted[lo]
			sp := &s.byLength[index]
			if len(sp.text) != depth+1 {
				continue
			}
			lo++ // a text that ends here sorts before those that go on
			if !sp.always && !parse {
				continue
			}
			if seen == nil {
				seen = make([]bool, len(s.byLength))
			}
			if !seen[index] {
				seen[index] = true
				list = append(list, index)
			}
		}
	}
	slices.Sort(list)
	return list
}

// at returns a byte of the i-th text in order.
func (s *specials) at(i, depth int) byte { return s.byLength[s.sorted[i]].text[depth] }

// bound returns the first position in sorted[lo:hi] whose byte at depth is c or more. All those texts are longer
// than depth and equal before it.
func (s *specials) bound(lo, hi, depth, c int) int {
	n, _ := slices.BinarySearchFunc(s.sorted[lo:hi], c, func(index int32, c int) int {
		if int(s.byLength[index].text[depth]) < c {
			return -1
		}
		return 1
	})
	return lo + n
}

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
