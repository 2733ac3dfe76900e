package token

import (
	"bytes"
	"unicode/utf8"
)

// buildPieces decodes every token once; Piece then only cuts. No piece is longer than its token's text: each is put where
// that begins.
func (t *Tokenizer) buildPieces(normal func(dst, text []byte) []byte) {
	start := t.texts.end
	t.pieces, t.pieceEnd = make([]byte, start[t.size]), make([]uint32, t.size)
	_ = ranges(t.size, func(from, to int) error { // no error to give
		for id := int32(from); int(id) < to; id++ {
			at, limit := start[id], start[id+1]
			t.pieceEnd[id] = at + uint32(len(t.appendPiece(t.pieces[at:at:limit], id, normal)))
		}
		return nil
	})
}

// appendPiece appends what a token stands for. Unused and undefined tokens stand for nothing.
func (t *Tokenizer) appendPiece(dst []byte, id int32, normal func(dst, text []byte) []byte) []byte {
	text := t.texts.text(id)
	switch t.Type(id) {
	case Unknown, Control, UserDefined:
		return append(dst, text...)
	case Byte:
		b, _ := parseByte(string(text)) // New checked it
		return append(dst, b)
	case Normal:
		return normal(dst, text)
	}
	return dst
}

// appendUnmarked turns space marks into spaces.
func appendUnmarked(dst, text []byte) []byte {
	for {
		before, after, found := bytes.Cut(text, []byte(spaceMark))
		dst = append(dst, before...)
		if !found {
			return dst
		}
		dst = append(dst, ' ')
		text = after
	}
}

// appendUnspelled turns GPT-2's printable characters back into bytes. A character that spells no byte stays as it is;
// no encoder makes a token with one from text. (llama.cpp writes a note with the whole token's text in its place.)
func appendUnspelled(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < 0x80 { // spells itself
			dst = append(dst, c)
			i++
			continue
		}
		var r rune
		var n int
		if c&0xE0 == 0xC0 && i+1 < len(text) && text[i+1]&0xC0 == 0x80 { // as nearly all that spell a byte
			r, n = rune(c&0x1F)<<6|rune(text[i+1]&0x3F), 2
		} else {
			r, n = decodeLoose(string(text[i:min(i+utf8.UTFMax, len(text))]))
		}
		if int(r) < len(runeByte) && runeByte[r] >= 0 {
			dst = append(dst, byte(runeByte[r]))
		} else {
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}

// Piece returns the bytes of one token; a rune may be spread over several. Control and unknown tokens are shown with
// special and empty without, as are ids outside the vocabulary always. The slice is shared: do not write to it.
func (t *Tokenizer) Piece(id int32, special bool) []byte {
	if id < 0 || int(id) >= t.size {
		return nil
	}
	if typ := t.Type(id); !special && (typ == Control || typ == Unknown) {
		return nil
	}
	end := t.pieceEnd[id]
	return t.pieces[t.texts.end[id]:end:end]
}

// DecodeOptions says what Decode does with special tokens; the names are llama.cpp's.
type DecodeOptions struct {
	RemoveSpecial  bool // drop the BOS and EOS that AddSpecial adds
	UnparseSpecial bool // show control and unknown tokens as text
}

// Decode appends the text of ids to dst, as llama.cpp's detokenize: the space that the space prefix added is removed,
// and in a vocabulary with CleanSpaces so is the space before some punctuation. Text that is decoded token by token
// (Piece, Streamer) has neither removed.
func (t *Tokenizer) Decode(dst []byte, ids []int32, opt DecodeOptions) []byte {
	from := len(dst)
	dropSpace := t.addSpacePrefix
	if opt.RemoveSpecial && t.addBOS && len(ids) > 0 && ids[0] == int32(t.bos) {
		ids = ids[1:]
		dropSpace = false
	}
	if opt.RemoveSpecial && t.addEOS && len(ids) > 0 && ids[len(ids)-1] == int32(t.eos) {
		ids = ids[:len(ids)-1]
	}
	for i, id := range ids {
		piece := t.Piece(id, opt.UnparseSpecial)
		if i == 0 && dropSpace && len(piece) > 0 && piece[0] == ' ' {
			piece = piece[1:]
		}
		dst = append(dst, piece...)
	}
	if t.cleanSpaces {
		dst = cleanSpaces(dst, from)
	}
	return dst
}

// cleanSpaces undoes the spaces of word-by-word text in text[from:], in place: before ? ! . ,, around a lone
// apostrophe, and before 's 'm 're 've. The three passes and their order are llama.cpp's.
func cleanSpaces(text []byte, from int) []byte {
	text = filterSpaces(text, from, func(s []byte, i int) (before, after bool) {
		switch s[i] {
		case '?', '!', '.', ',':
			return true, false
		}
		return false, false
	})
	text = filterSpaces(text, from, func(s []byte, i int) (before, after bool) {
		lone := s[i] == '\'' && i+1 < len(s) && s[i+1] == ' '
		return lone, lone
	})
	return filterSpaces(text, from, func(s []byte, i int) (before, after bool) {
		if s[i] != '\'' || i+1 >= len(s) {
			return false, false
		}
		switch s[i+1] {
		case 's', 'm':
			return true, false
		case 'r', 'v':
			return i+2 < len(s) && s[i+2] == 'e', false
		}
		return false, false
	})
}

// filterSpaces copies text[from:] onto itself; where a byte follows a space, rule says whether to drop the space
// before it and the byte after it.
func filterSpaces(text []byte, from int, rule func(s []byte, i int) (before, after bool)) []byte {
	s := text[from:]
	if len(s) == 0 {
		return text
	}
	n := 1
	for i := 1; i < len(s); i++ {
		c := s[i]
		if s[i-1] == ' ' {
			before, after := rule(s, i)
			if before {
				n--
			}
			if after {
				i++
				s[i] = 0
			}
		}
		s[n] = c
		n++
	}
	return text[:from+n]
}
