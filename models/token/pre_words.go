package token

import "strings"

// words is the family of expressions that began with OpenAI's cl100k, in the order of its parts:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
type words struct {
	contractions bool               // the first part is there
	letters      uint8              // \p{L} in the second part: classes
	word         func(s string) int // the second part, where it has another form; 0 = no match
	digits       int                // 3 in \p{N}{1,3}
	word2        uint8              // classes beside \s and \p{N} that the fourth part excludes
	tail         string             // \r\n in [\r\n]*
	tail1        bool               // [\r\n]? in place of [\r\n]*
}

var (
	llama3    = words{contractions: true, letters: letter, digits: 3, word2: letter, tail: "\r\n"}
	qwen2     = words{contractions: true, letters: letter, digits: 1, word2: letter, tail: "\r\n"}
	qwen35    = words{contractions: true, letters: letter | mark, digits: 1, word2: letter | mark, tail: "\r\n"}
	ufakzeka  = words{letters: letter, digits: 1, word2: letter, tail: "\r\n"}
	seedCoder = words{contractions: true, letters: letter, digits: 1, word2: letter}
	exaoneMoE = words{contractions: true, word: spacedWords, digits: 1, word2: letter, tail: "\r\n/", tail1: true}
	k2Horizon = words{contractions: true, word: joinedLetters, digits: 3, word2: letter, tail: "\r\n"}
	kimiK2    = words{word: hanOrWord, digits: 3, word2: letter, tail: "\r\n"}

	gpt4o        = words{word: casedSuffix(letter), digits: 3, word2: letter, tail: "\r\n/"}
	graniteEmbed = words{word: casedSuffix(letter | mark), digits: 3, word2: letter, tail: "\r\n/"}
	tekken       = words{word: func(s string) int { return cased(s, letter) }, digits: 1, word2: letter, tail: "\r\n/"}
	tinyAya      = words{word: markedSuffix, digits: 3, word2: letter, tail: "\r\n/"}
	youtu        = words{word: markedSuffix, digits: 1, word2: letter, tail: "\r\n/"}
)

func (w *words) cut(s string) int {
	if w.contractions {
		if n := contraction(s, true); n > 0 {
			return n
		}
	}
	r, n := decode(s)
	c := class(r)
	switch {
	case w.word != nil:
		if end := w.word(s); end > 0 {
			return end
		}
	case c&w.letters != 0:
		return runIn(s, n, w.letters)
	case r != '\r' && r != '\n' && c&number == 0:
		if end := runIn(s, n, w.letters); end > n {
			return end
		}
	}
	if c&number != 0 {
		return n + numbers(s[n:], w.digits-1)
	}
	start := 0
	if r == ' ' {
		start = 1
	}
	if end := runOut(s, start, space|number|w.word2); end > start {
		for end < len(s) && strings.IndexByte(w.tail, s[end]) >= 0 {
			end++
			if w.tail1 {
				break
			}
		}
		return end
	}
	if end := newlines(s); end > 0 {
		return end
	}
	return spaces(s)
}

// prefix returns the length of [^\r\n\p{L}\p{N}] at the start of s, or 0.
func prefix(s string) int {
	if isNewline(s[0]) {
		return 0
	}
	if n, ok := firstIn(s, letter|number); !ok {
		return n
	}
	return 0
}

// spacedWords matches [^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+: words and the single spaces between them.
func spacedWords(s string) int {
	i := prefix(s)
	n, ok := firstIn(s[i:], letter)
	if !ok {
		return 0
	}
	for i += n; i < len(s); {
		if end := runIn(s, i, letter|mark); end > i {
			i = end
			continue
		}
		if s[i] != ' ' {
			break
		}
		n, ok := firstIn(s[i+1:], letter)
		if !ok {
			break
		}
		i += 1 + n
	}
	return i
}

// joinedLetters matches [^\r\n\p{L}\p{N}]?[\p{L}\p{M}\u200C\u200D]+: words of scripts that join letters.
func joinedLetters(s string) int {
	joined := func(r rune) bool { return class(r)&(letter|mark) != 0 || r == 0x200C || r == 0x200D }
	i := prefix(s)
	if n := runOf(s[i:], joined, true); n > 0 {
		return i + n
	}
	return runOf(s, joined, true)
}

// hanOrWord matches \p{Han}+, or a word that stops before Han characters, with a contraction:
//
//	\p{Han}+|[^\r\n\p{L}\p{N}]?[\p{L}--\p{Han}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
func hanOrWord(s string) int {
	if n := runOf(s, isHan, true); n > 0 {
		return n
	}
	i := prefix(s)
	n := runOf(s[i:], func(r rune) bool { return class(r)&letter != 0 && !isHan(r) }, true)
	if n == 0 {
		return 0
	}
	return i + n + contraction(s[i+n:], true)
}

// isHan is llama.cpp's \p{Han}: blocks, whether or not all of their code points are assigned.
func isHan(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FFF || 0x3400 <= r && r <= 0x4DBF || 0x20000 <= r && r <= 0x2A6DF ||
		0x2A700 <= r && r <= 0x2EBEF || 0xF900 <= r && r <= 0xFAFF || 0x2F800 <= r && r <= 0x2FA1F
}

// markedSuffix matches [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?: what becomes of expressions that tell
// capitals from small letters by \p{Lu} and \p{Ll}, which llama.cpp reads as \p{L}.
func markedSuffix(s string) int {
	i := prefix(s)
	end := runIn(s, i, letter|mark)
	if end == i { // what went before may have been a mark
		if end = runIn(s, 0, letter|mark); end == 0 {
			return 0
		}
	}
	return end + contraction(s[end:], true)
}
