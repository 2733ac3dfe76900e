package token

import "strings"

// What the scanners of pre-tokenizers are made of.

// runIn returns the end of the run of runes from i on that have any class of mask.
func runIn(s string, i int, mask uint8) int {
	for i < len(s) {
		if c := s[i]; c < 0x80 {
			if asciiClass[c]&mask == 0 {
				return i
			}
			i++
			continue
		}
		r, n := decode(s[i:])
		if class(r)&mask == 0 {
			return i
		}
		i += n
	}
	return i
}

// runOut returns the end of the run of runes from i on that have no class of mask.
func runOut(s string, i int, mask uint8) int {
	for i < len(s) {
		if c := s[i]; c < 0x80 {
			if asciiClass[c]&mask != 0 {
				return i
			}
			i++
			continue
		}
		r, n := decode(s[i:])
		if class(r)&mask != 0 {
			return i
		}
		i += n
	}
	return i
}

// runOf returns the length of the run of runes at the start of s that are in, or, with in false, that are not.
func runOf(s string, set func(rune) bool, in bool) int {
	i := 0
	for i < len(s) {
		r, n := decode(s[i:])
		if set(r) != in {
			break
		}
		i += n
	}
	return i
}

// firstIn reports whether s begins with a rune that has any class of mask, and the rune's length.
func firstIn(s string, mask uint8) (n int, ok bool) {
	if s == "" {
		return 0, false
	}
	r, n := decode(s)
	return n, class(r)&mask != 0
}

// lastRune returns where the last rune of s (not empty) begins.
func lastRune(s string) int {
	i := len(s) - 1
	for s[i]&0xC0 == 0x80 {
		i--
	}
	return i
}

func isNewline(c byte) bool { return c == '\r' || c == '\n' }

// contraction returns the length of 's 't 'm 'd 're 've 'll at the start of s, or 0; fold also takes capitals.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	at := func(i int) byte {
		if c := s[i]; fold && 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return s[i]
	}
	switch at(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) >= 3 && at(2) == 'e' {
			return 3
		}
	case 'l':
		if len(s) >= 3 && at(2) == 'l' {
			return 3
		}
	}
	return 0
}

// spaces matches \s+(?!\S)|\s+ at the start of s: a run that something follows leaves its last rune to it.
func spaces(s string) int {
	end := runIn(s, 0, space)
	if end == 0 || end == len(s) {
		return end
	}
	if last := lastRune(s[:end]); last > 0 {
		return last
	}
	return end
}

// newlines matches \s*[\r\n]+ at the start of s.
func newlines(s string) int {
	return strings.LastIndexAny(s[:runIn(s, 0, space)], "\r\n") + 1
}

// isolate makes a stage of a pattern that may match nothing: match returns the length of what it matches at the start of s, 0
// for nothing. What lies between two matches is one piece. A match is tried at every rune, so it must not look far
// before it fails.
func isolate(match func(s string) int) stage {
	return func(s string) int {
		if n := match(s); n > 0 {
			return n
		}
		i := 0
		for i < len(s) {
			_, n := decode(s[i:])
			if i += n; i < len(s) && match(s[i:]) > 0 {
				break
			}
		}
		return i
	}
}

// numbers3 matches \p{N}{1,3}.
func numbers3(s string) int { return numbers(s, 3) }

// numbers matches \p{N}{1,most}.
func numbers(s string, most int) int {
	i := 0
	for ; most > 0; most-- {
		n, ok := firstIn(s[i:], number)
		if !ok {
			break
		}
		i += n
	}
	return i
}
