package token

import "unicode/utf8"

// Digits in groups of three that count from the end of the number.

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// digits matches [0-9]+.
func digits(s string) int {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

// cutBeforeThrees and cutThrees cut at (?=(\d{3})+(?!\d)), before each group of three that counts from the end of a run of ASCII
// digits. The first counts a run once and leaves all its groups but the last together for the second.
func cutBeforeThrees(s string) int {
	i := 0
	switch n := digits(s); {
	case n > 3 && n%3 == 0:
		return n - 3
	case n > 3:
		return n % 3
	default:
		i = n
	}
	for i < len(s) {
		n := digits(s[i:])
		if n >= 3 {
			return i + n%3
		}
		i += max(n, 1)
	}
	return len(s)
}

func cutThrees(s string) int {
	if digits(s[:min(len(s), 4)]) == 4 {
		return 3
	}
	return len(s)
}

// cutNumberTail cuts after the first one, two or three runes of a number, so that groups of three count from its end.
// What goes before the number stays with them, as in llama.cpp. (Published is \d{1,3}(?=(?:\d{3})*\b).)
func cutNumberTail(s string) int {
	start := runOut(s, 0, number)
	end := runIn(s, start, number)
	if over := utf8.RuneCountInString(s[start:end]) % 3; over > 0 {
		return start + numbers(s[start:], over)
	}
	if start > 0 {
		return start + numbers(s[start:], 3)
	}
	return end // groups of three only: left to cutNumberThrees, for they have been counted
}

// cutNumberThrees cuts a piece that begins with a number, and so holds nothing else, in threes.
func cutNumberThrees(s string) int {
	if _, ok := firstIn(s, number); ok {
		return numbers(s, 3)
	}
	return len(s)
}

// cutSpaces512 cuts white space of n runes, if it is not a line's end, into 512, 256 ... 8, 4, 2 and 1:
//
//	\s{512}(?!\S)|\s{256}(?!\S)| ... |\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}
//
// The stage before has cut it off from what follows, so the look-ahead is met.
func cutSpaces512(s string) int {
	if _, ok := firstIn(s[lastRune(s):], space); !ok || isNewline(s[len(s)-1]) {
		return len(s)
	}
	n, i, at := 0, 0, 0 // runes, their bytes; at: bytes of the largest group so far
	for group := 1; n < 512 && i < len(s); {
		_, w := decode(s[i:])
		n, i = n+1, i+w
		if n == group {
			at, group = i, 2*group
		}
	}
	return at
}
