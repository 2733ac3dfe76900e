package token

import (
	"fmt"
	"sync"
	"unicode"
)

//go:generate python3 gen_base.py

// wordPiece cuts text at white space and punctuation and each word into the longest tokens from its left (Devlin et al.,
// arXiv:1810.04805; Wu et al., arXiv:1609.08144). A word that cannot be cut to its end is unknown as a whole. GGUF
// spells the beginning of a word with a space mark and its other tokens without.
type wordPiece struct {
	words        *lexicon
	unk          int32
	lower, strip bool
}

func wordPieceDefaults(v *Vocab) {
	v.BOS, v.UNK, v.SEP, v.PAD, v.MASK = 101, 100, 102, 0, 103
	v.AddBOS, v.CleanSpaces, v.Lowercase, v.StripAccents = true, true, true, true
}

func newWordPiece(v *Vocab, texts *index) (encoder, error) {
	for _, r := range []Role{{"unknown", &v.UNK}, {"bos", &v.BOS}, {"seperator", &v.SEP}} {
		if *r.ID == None {
			return nil, fmt.Errorf("token: the vocabulary names no %s token, and WordPiece wants one", r.Name)
		}
	}
	ids := make([]int32, len(v.Tokens))
	for i := range ids {
		ids[i] = int32(i)
	}
	return &wordPiece{newLexicon(texts, ids), int32(v.UNK), v.Lowercase, v.StripAccents}, nil
}

func (m *wordPiece) encode(dst []int32, text string, _ bool, s *scratch) []int32 {
	word := append(s.normal[:0], spaceMark...)
	flush := func() {
		if len(word) > len(spaceMark) {
			dst = m.word(dst, string(word), s)
			word = word[:len(spaceMark)]
		}
	}
	text = repair(text)
	for len(text) > 0 {
		r, n := decode(text)
		text = text[n:]
		if m.strip {
			r = baseOf(r)
		}
		c := class(r)
		switch {
		case c&space != 0:
			flush()
			continue
		case r == 0 || r == unicode.ReplacementChar || c&control != 0 || m.strip && c&mark != 0:
			continue
		}
		if m.lower {
			r = lower(r)
		}
		if c&punct != 0 || c&symb != 0 && r < 0x7F || isCJK(r) { // a word by itself
			flush()
			word = appendRune(word, r)
			flush()
			continue
		}
		word = appendRune(word, r)
	}
	flush()
	s.normal = word
	return dst
}

// word appends the tokens of a word with its mark.
func (m *wordPiece) word(dst []int32, word string, s *scratch) []int32 {
	if len(word) > maxCached {
		return m.wordUncached(dst, word)
	}
	e := s.words.find(word)
	if e.n > 0 {
		return append(dst, e.ids[:e.n]...)
	}
	from := len(dst)
	dst = m.wordUncached(dst, word)
	e.fill(dst[from:])
	return dst
}

func (m *wordPiece) wordUncached(dst []int32, word string) []int32 {
	from := len(dst)
	for len(word) > 0 {
		longest, id := 0, int32(0)
		m.words.prefixes(word, func(i int32, n int) { id, longest = i, n })
		if longest == 0 {
			return append(dst[:from], m.unk)
		}
		dst = append(dst, id)
		word = word[longest:]
	}
	return dst
}

// isCJK is BERT's list of characters that are words, with the gap that its Rust port has.
func isCJK(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FFF || 0x3400 <= r && r <= 0x4DBF || 0x20000 <= r && r <= 0x2A6DF ||
		0x2A700 <= r && r <= 0x2B81F || 0x2B920 <= r && r <= 0x2CEAF || 0xF900 <= r && r <= 0xFAFF || 0x2F800 <= r && r <= 0x2FA1F
}

// lower is Unicode's lower case of one character.
func lower(r rune) rune {
	if r < 0x80 {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(r)
}

// lowerText is the lower case of repaired text.
func lowerText(s string) string {
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		r, n := decode(s)
		out = appendRune(out, lower(r))
		s = s[n:]
	}
	return string(out)
}

var bases = sync.OnceValue(func() map[rune]rune {
	table := []rune(baseTable)
	m := make(map[rune]rune, len(table)/2)
	for i := 0; i < len(table); i += 2 {
		m[table[i]] = table[i+1]
	}
	return m
})

// baseOf returns the first character of r's canonical decomposition: é becomes e, a Hangul syllable its first consonant.
func baseOf(r rune) rune {
	switch {
	case r < 0xC0:
		return r
	case 0xAC00 <= r && r <= 0xD7A3:
		return 0x1100 + (r-0xAC00)/(21*28)
	}
	if base, ok := bases()[r]; ok {
		return base
	}
	return r
}
