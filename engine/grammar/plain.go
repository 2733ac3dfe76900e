package grammar

import (
	"slices"
	"sync"
	"unicode/utf8"
)

// Most tokens are plain text, and where a string, a line or a whole answer is written most of them may come. So they are not tried one by one: a
// grammar is asked whether it takes every plain text of so many characters from here, and a mask of the vocabulary then stands for all of them
// (llguidance calls it a slice). Only the other tokens are walked.

// mostPlain is how many characters a plain token has at most. Views follow loops so far (far), so a plain token never leaves one.
const mostPlain = far

// plainRanges leaves out what ends or escapes a string, a line or what is written before a tag.
var plainRanges = without([]runeRange{{0x20, utf8.MaxRune}}, []runeRange{{'"', '"'}, {'<', '<'}, {'\\', '\\'}, {0x7f, 0x7f}, {0x2028, 0x2029}})

// plainText matches plain texts of any length. All its states are known beforehand, and nothing in it changes: it is shared.
var plainText = sync.OnceValue(func() *Matcher {
	g, err := Compile(map[string]Expr{root: many(runes(plainRanges))})
	if err != nil {
		panic(err)
	}
	m := g.NewMatcher()
	for at := int32(0); int(at) < len(m.states); at++ {
		for b := range 256 {
			m.step(at, byte(b))
		}
	}
	return m
})

// plainChars counts the characters of a plain text; 0 = it is not plain, or has none or more than mostPlain.
func plainChars(text []byte) int {
	plain := plainText()
	at, n := plain.cur, utf8.RuneCount(text)
	if n > mostPlain {
		return 0
	}
	for _, b := range text {
		if at = plain.step(at, b); at == dead {
			return 0
		}
	}
	if !plain.ends(at) {
		return 0
	}
	return n
}

// plain tells of the plain texts that may follow a state: all of up to n characters and, where sure, none that is longer (mostPlain are asked for).
func (m *Matcher) plain(at int32) (n int, sure bool) {
	here, left := []int32{at}, false
	for ; n < mostPlain; n++ {
		next, all, none := m.plainChar(here)
		switch {
		case none:
			return n, !left // what left the top may go on below it
		case !all:
			return n, false
		case slices.Equal(next, here): // and so on
			return mostPlain, true
		}
		here, left = next, left || slices.ContainsFunc(next, m.ends)
	}
	return n, true
}

// plainChar is where plain characters lead to from several states, and whether all of them may come in each, or none in any. Where that takes too many
// places it says neither, as where the text may end within a character.
func (m *Matcher) plainChar(here []int32) (next []int32, all, none bool) {
	type place struct{ plain, at int32 }
	plain := plainText()
	var todo []place
	for _, at := range here {
		todo = append(todo, place{plain.cur, at})
	}
	all, none = true, true
	for i := 0; i < len(todo); i++ {
		for b := range 256 {
			text := plain.step(todo[i].plain, byte(b))
			if text == dead {
				continue
			}
			to := m.step(todo[i].at, byte(b))
			all, none = all && to != dead, none && to == dead
			switch {
			case !all && !none, len(todo) > 64, len(next) > 8, to != dead && !plain.ends(text) && m.ends(to):
				return nil, false, false
			case to == dead:
			case plain.ends(text):
				if !slices.Contains(next, to) {
					next = append(next, to)
				}
			case !slices.Contains(todo, place{text, to}):
				todo = append(todo, place{text, to})
			}
		}
	}
	slices.Sort(next)
	return next, all, none
}
