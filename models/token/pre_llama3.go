package token

// cutLlama3 is the expression of Llama 3:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func cutLlama3(s string) int { return cutCl100k(s, 3) }

// cutQwen2 is Llama 3's with \p{N} in place of \p{N}{1,3}: digits stand alone.
func cutQwen2(s string) int { return cutCl100k(s, 1) }

// cutCl100k is the shared shape of both, first seen in OpenAI's cl100k; digits is the longest run of numbers.
func cutCl100k(s string, digits int) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	r, n := decode(s)
	c := class(r)
	newline := r == '\r' || r == '\n'

	// [^\r\n\p{L}\p{N}]?\p{L}+
	if c&letter != 0 {
		return runIn(s, n, letter)
	}
	if !newline && c&number == 0 {
		if end := runIn(s, n, letter); end > n {
			return end
		}
	}
	// \p{N}{1,digits}
	if c&number != 0 {
		i := n
		for count := 1; count < digits && i < len(s); count++ {
			r, n := decode(s[i:])
			if class(r)&number == 0 {
				break
			}
			i += n
		}
		return i
	}
	// <space>?[^\s\p{L}\p{N}]+[\r\n]*
	start := 0
	if r == ' ' {
		start = 1
	}
	if end := runOut(s, start, letter|number|space); end > start {
		for end < len(s) && (s[end] == '\r' || s[end] == '\n') {
			end++
		}
		return end
	}
	// \s*[\r\n]+
	for end := runIn(s, 0, space); end > 0; end-- {
		if s[end-1] == '\r' || s[end-1] == '\n' {
			return end
		}
	}
	return spaces(s)
}
