package token

import (
	"sync"
	"unicode"
)

// Character classes of Unicode 15.1, which llama.cpp's tables hold.
const (
	letter  uint8 = 1 << iota // \p{L}
	number                    // \p{N}
	space                     // \s: White_Space
	punct                     // \p{P}
	symb                      // \p{S}
	mark                      // \p{M}
	control                   // \p{C} that are assigned
)

var categories = []struct {
	class uint8
	table *unicode.RangeTable
}{
	{letter, unicode.L}, {number, unicode.N}, {space, unicode.White_Space},
	{punct, unicode.P}, {symb, unicode.S}, {mark, unicode.M},
	{control, unicode.Cc}, {control, unicode.Cf}, {control, unicode.Co}, {control, unicode.Cs},
}

// runeClasses is a two-stage table: page number by rune>>8, class by page and low byte.
type runeClasses struct {
	page  [(unicode.MaxRune + 1) >> 8]uint8
	pages [][256]uint8
}

var classes = sync.OnceValue(buildClasses)

// asciiClass serves nearly all text without the big table, which is built on first need.
var asciiClass = func() (t [128]uint8) {
	for r := range rune(128) {
		for _, c := range categories {
			if unicode.Is(c.table, r) {
				t[r] |= c.class
			}
		}
	}
	return t
}()

// class returns the classes of r, surrogates (which llama.cpp lets through) included.
func class(r rune) uint8 {
	if r < 128 {
		return asciiClass[r]
	}
	c := classes()
	return c.pages[c.page[r>>8]][r&0xff]
}

func buildClasses() *runeClasses {
	flat := make([]uint8, unicode.MaxRune+1)
	set := func(bit uint8, lo, hi, stride rune) {
		for r := lo; r <= hi; r += stride {
			flat[r] |= bit
		}
	}
	for _, c := range categories {
		for _, r := range c.table.R16 {
			set(c.class, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range c.table.R32 {
			set(c.class, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	if unicode.Version == "15.0.0" { // what 15.1 added
		set(symb, 0x2FFC, 0x2FFF, 1) // ideographic description characters
		set(symb, 0x31EF, 0x31EF, 1)
		set(letter, 0x2EBF0, 0x2EE5D, 1) // CJK unified ideographs, extension I
	}
	c := &runeClasses{}
	seen := map[[256]uint8]uint8{}
	for p := range c.page {
		page := [256]uint8(flat[p<<8:])
		i, ok := seen[page]
		if !ok {
			i = uint8(len(c.pages)) // fewer than 256 distinct pages: a test counts them
			seen[page] = i
			c.pages = append(c.pages, page)
		}
		c.page[p] = i
	}
	return c
}
