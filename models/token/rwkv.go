package token

import (
	"fmt"
	"strconv"
)

// rwkv takes the longest token at each place (the "World" tokenizer of RWKV). GGUF spells its tokens, any bytes, as Python writes a
// literal: \n, \xff. All tokens take part, control tokens too, as in llama.cpp.
type rwkv struct{ words *lexicon }

func newRWKV(v *Vocab, _ *index) (encoder, error) {
	spelled := make([]string, len(v.Tokens))
	var ids []int32
	for i, text := range v.Tokens {
		b, ok := appendUnescaped(nil, []byte(text))
		if !ok {
			return nil, fmt.Errorf("token: token %d is spelled %.20q, want bytes with \\t, \\n, \\r, \\xHH, and \\ before any other", i, text)
		}
		if spelled[i] = string(b); len(b) > 0 {
			ids = append(ids, int32(i))
		}
	}
	texts, err := newIndex(spelled)
	if err != nil {
		return nil, err
	}
	for b := range 256 {
		if texts.find(string([]byte{byte(b)})) < 0 {
			return nil, fmt.Errorf("token: the vocabulary has no token for the byte %#02x, and rwkv wants all 256", b)
		}
	}
	return &rwkv{newLexicon(texts, ids)}, nil
}

func (m *rwkv) encode(dst []int32, text string, _ bool, _ *scratch) []int32 {
	for len(text) > 0 {
		var id int32
		var n int
		m.words.prefixes(text, func(i int32, bytes int) { id, n = i, bytes })
		dst, text = append(dst, id), text[n:]
	}
	return dst
}

// appendUnescaped appends the bytes that a token's text spells; false where it spells none.
func appendUnescaped(dst, text []byte) ([]byte, bool) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		if i++; i == len(text) {
			return dst, false
		}
		switch c := text[i]; c {
		case 't':
			dst = append(dst, '\t')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 'x':
			if i+2 >= len(text) {
				return dst, false
			}
			b, err := strconv.ParseUint(string(text[i+1:i+3]), 16, 8)
			if err != nil {
				return dst, false
			}
			dst = append(dst, byte(b))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

func rwkvPiece(*Tokenizer) func(dst, text []byte) []byte {
	return func(dst, text []byte) []byte {
		dst, _ = appendUnescaped(dst, text) // New checked it
		return dst
	}
}
