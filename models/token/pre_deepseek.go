package token

// The expressions of DeepSeek's tokenizers and of those made after them.

// newline matches [\r\n].
func newline(s string) int {
	if isNewline(s[0]) {
		return 1
	}
	return 0
}

// spaced matches \s? and then one or more runes of a set.
func spaced(s string, run func(s string) int) int {
	n, ok := firstIn(s, space)
	if !ok {
		return run(s)
	}
	if end := run(s[n:]); end > 0 {
		return n + end
	}
	return run(s)
}

// casedWord matches \s? and letters of the scripts that have capitals, in the published list of ranges.
func casedWord(s string) int {
	return spaced(s, func(s string) int { return runOf(s, casedLetters.has, true) })
}

// widePunctuation matches \s?[!-/:-~！-／：-～‘-‟　-。]+, where /:-~ takes in all ASCII letters.
func widePunctuation(s string) int {
	return spaced(s, func(s string) int { return runOf(s, widePunct.has, true) })
}

// spaceLetters matches \s?\p{L}+.
func spaceLetters(s string) int {
	return spaced(s, func(s string) int { return runIn(s, 0, letter) })
}

// spacePunctuation matches \s?\p{P}+.
func spacePunctuation(s string) int {
	return spaced(s, func(s string) int { return runIn(s, 0, punct) })
}

// cutTrailingSpace isolates \s+$.
func cutTrailingSpace(s string) int {
	end := len(s)
	for end > 0 {
		i := lastRune(s[:end])
		if _, ok := firstIn(s[i:], space); !ok {
			break
		}
		end = i
	}
	if end == 0 {
		return len(s)
	}
	return end
}

// eastAsian matches [一-龥ࠀ-一가-퟿]+.
func eastAsian(s string) int { return runOf(s, eastAsianSet.has, true) }

// hanKana matches [一-龥぀-ゟ゠-ヿ]+.
func hanKana(s string) int { return runOf(s, hanKanaSet.has, true) }

// asianScripts matches the published list of ranges of scripts that are written without spaces.
func asianScripts(s string) int { return runOf(s, asianSet.has, true) }

// deepseek3 matches
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func deepseek3(s string) int {
	end, punctuation := deepseekWord(s)
	for punctuation && end < len(s) && isNewline(s[end]) {
		end++
	}
	if end > 0 {
		return end
	}
	if end := newlines(s); end > 0 {
		return end
	}
	return spaces(s)
}

// spark matches the same but for line ends: ` ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+`.
func spark(s string) int {
	if end, _ := deepseekWord(s); end > 0 {
		return end
	}
	if isNewline(s[0]) {
		return 1
	}
	return spaces(s)
}

// deepseekWord matches the first two parts of deepseek3, or the third without its line ends.
func deepseekWord(s string) (end int, punctuation bool) {
	if asciiLetter := func(i int) bool { return i < len(s) && s[i] < 0x80 && asciiClass[s[i]]&letter != 0 }; s[0] < 0x80 &&
		asciiClass[s[0]]&(punct|symb) != 0 && asciiLetter(1) {
		for end = 2; asciiLetter(end); end++ {
		}
		return end, false
	}
	before, ok := firstIn(s, letter|punct|symb)
	if ok || isNewline(s[0]) {
		before = 0
	}
	if end := runIn(s, before, letter|mark); end > before {
		return end, false
	}
	if end := runIn(s, 0, letter|mark); end > 0 {
		return end, false
	}
	start := 0
	if s[0] == ' ' {
		start = 1
	}
	if end := runIn(s, start, punct|symb); end > start {
		return end, true
	}
	return 0, false
}
