package token

import "strings"

// seams knows where text falls into pieces that are merged each by itself. Two characters whose kinds stand side by side in no
// token can never be merged, so text is cut there: in most vocabularies, before every space mark.
type seams [1 << 13]uint8 // bit set: some token holds these two kinds of character side by side

// join records which neighbours occur inside a token.
func (m *seams) join(text string) {
	n := charLen(text)
	for len(text) > n {
		pair := sides(text, n)
		m[pair>>3] |= 1 << (pair & 7)
		text = text[n:]
		n = charLen(text)
	}
}

// first returns the length of the first piece of text.
func (m *seams) first(text string) int {
	end := charLen(text)
	for last := end; end < len(text); end += last {
		pair := sides(text[end-last:], last)
		if m[pair>>3]&(1<<(pair&7)) == 0 {
			break
		}
		last = charLen(text[end:])
	}
	return end
}

// sides classes two neighbouring characters of text by the last byte of the left, n bytes long, and the first byte of
// the right; the space mark, which shares its first byte with other punctuation, counts as a space.
func sides(text string, n int) uint {
	left, right := text[n-1], text[n]
	if text[:n] == spaceMark {
		left = ' '
	}
	if strings.HasPrefix(text[n:], spaceMark) {
		right = ' '
	}
	return uint(left)<<8 | uint(right)
}

// charLen is the length of the first character by its first byte alone, as llama.cpp counts.
func charLen(s string) int {
	if s == "" {
		return 0
	}
	n := 1
	switch c := s[0]; {
	case c >= 0xF0:
		n = 4
	case c >= 0xE0:
		n = 3
	case c >= 0xC0:
		n = 2
	}
	return min(n, len(s))
}
