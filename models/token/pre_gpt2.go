package token

// cutGPT2 is the expression of GPT-2:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func cutGPT2(s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	i := 0
	if s[0] == ' ' && len(s) > 1 {
		i = 1
	}
	r, n := decode(s[i:])
	switch c := class(r); {
	case c&letter != 0:
		return runIn(s, i+n, letter)
	case c&number != 0:
		return runIn(s, i+n, number)
	case c&space == 0:
		return runOut(s, i+n, letter|number|space)
	}
	return spaces(s)
}
