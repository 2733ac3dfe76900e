package token

import "strings"

// Expressions of a single family each.

// bloomWord matches ` ?[^(\s|.,!?…。，、।۔،)]+`.
func bloomWord(s string) int {
	start := 0
	if s[0] == ' ' {
		start = 1
	}
	n := runOf(s[start:], func(r rune) bool {
		return class(r)&space == 0 && !strings.ContainsRune("(|.,!?…。，、।۔،)", r)
	}, true)
	if n == 0 {
		return 0
	}
	return start + n
}

// sentinel matches <sentinel:[0-9]+>.
func sentinel(s string) int {
	const head = "<sentinel:"
	if !strings.HasPrefix(s, head) {
		return 0
	}
	n := digits(s[len(head):])
	if end := len(head) + n; n > 0 && end < len(s) && s[end] == '>' {
		return end + 1
	}
	return 0
}

// image matches IMGIMG[A-I]{1,4}Z.
func image(s string) int {
	const head = "IMGIMG"
	if !strings.HasPrefix(s, head) {
		return 0
	}
	end := len(head)
	for end < len(s) && 'A' <= s[end] && s[end] <= 'I' {
		end++
	}
	if n := end - len(head); 1 <= n && n <= 4 && end < len(s) && s[end] == 'Z' {
		return end + 1
	}
	return 0
}

// blank matches [\t\n], four spaces or two.
func blank(s string) int {
	switch {
	case s[0] == '\t' || s[0] == '\n':
		return 1
	case strings.HasPrefix(s, "    "):
		return 4
	case strings.HasPrefix(s, "  "):
		return 2
	}
	return 0
}

// punctuation1 matches one rune of \p{P} or of ASCII's symbols.
func punctuation1(s string) int {
	r, n := decode(s)
	if c := class(r); c&punct != 0 || c&symb != 0 && r < 0x80 {
		return n
	}
	return 0
}

// youtuScripts matches a run of Hangul, of wide punctuation, of Bopomofo, or of Han and Kana.
func youtuScripts(s string) int {
	for _, set := range []runeSet{hangulSet, widePunctYoutu, bopomofoSet, hanKanaSet} {
		if n := runOf(s, set.has, true); n > 0 {
			return n
		}
	}
	return 0
}

// cutLines isolates \n+.
func cutLines(s string) int {
	first := s[0] == '\n'
	for i := range len(s) {
		if s[i] == '\n' != first {
			return i
		}
	}
	return len(s)
}

// cutBlanks isolates \S+.
func cutBlanks(s string) int {
	if n := runOut(s, 0, space); n > 0 {
		return n
	}
	return runIn(s, 0, space)
}
