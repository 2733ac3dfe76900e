package token

// Stages that isolate one kind of character and leave what lies between as pieces of their own.

// cutNumber1 isolates each \p{N}.
func cutNumber1(s string) int {
	if end := runOut(s, 0, number); end > 0 {
		return end
	}
	_, n := decode(s)
	return n
}

// cutNumbers isolates \p{N}+.
func cutNumbers(s string) int {
	if end := runIn(s, 0, number); end > 0 {
		return end
	}
	return runOut(s, 0, number)
}

// cutDigits3 isolates [0-9][0-9][0-9].
func cutDigits3(s string) int {
	run := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			run = 0
			continue
		}
		if run++; run == 3 {
			if i == 2 {
				return 3
			}
			return i - 2
		}
	}
	return len(s)
}

// cutPunctDefault isolates [\p{P}$+<=>^~|]+.
func cutPunctDefault(s string) int {
	return cutRuns(s, func(r rune) bool { return class(r)&punct != 0 || class(r)&symb != 0 && r < 128 && r != '`' })
}

// cutPunctFalcon isolates [\p{P}$+<=>^~|`]+.
func cutPunctFalcon(s string) int {
	return cutRuns(s, func(r rune) bool { return class(r)&punct != 0 || class(r)&symb != 0 && r < 128 })
}

// cutRuns returns the length of the leading run of runes that are all in, or all out.
func cutRuns(s string, in func(rune) bool) int {
	r, i := decode(s)
	first := in(r)
	for i < len(s) {
		r, n := decode(s[i:])
		if in(r) != first {
			break
		}
		i += n
	}
	return i
}
