package token

import (
	"fmt"
	"math"
	"strings"
)

// spm merges characters by the score of what they make, and spells what stays unknown as bytes
// (llama.cpp's reading of SentencePiece BPE models, arXiv:1808.06226).
type spm struct {
	texts    *index
	priority []uint32 // of each token, from its score: lower merges first
	byteID   [256]int32
	longest  int // bytes of the longest token
	seams    seams
	prefix   bool // a space goes in front
}

const spaceMark = "▁"

func spmDefaults(v *Vocab) {
	v.BOS, v.EOS, v.UNK = 1, 2, 0
	v.AddBOS, v.AddSpacePrefix = true, true
}

func newSPM(v *Vocab, texts *index) (*spm, error) {
	m := &spm{texts: texts, prefix: v.AddSpacePrefix, priority: make([]uint32, len(v.Tokens))}
	for id, text := range v.Tokens {
		score := float32(0)
		if v.Scores != nil {
			score = v.Scores[id]
		}
		m.priority[id] = priorityOf(score)
		m.longest = max(m.longest, len(text))
		m.seams.join(text)
	}
	for c := range m.byteID {
		id := texts.find(byteName(byte(c)))
		if id < 0 {
			id = texts.find(string([]byte{byte(c)}))
		}
		if id < 0 {
			id = int32(v.UNK)
		}
		if id < 0 {
			return nil, fmt.Errorf("token: the vocabulary has no token <0x%02X> for the byte and no unknown token", c)
		}
		m.byteID[c] = id
	}
	return m, nil
}

// priorityOf maps scores to integers, highest score to lowest integer, order kept; -0 and 0 are equal.
func priorityOf(score float32) uint32 {
	if score == 0 {
		score = 0
	}
	bits := math.Float32bits(score)
	if bits>>31 == 0 {
		bits |= 1 << 31
	} else {
		bits = ^bits
	}
	return ^bits
}

// encode appends the tokens of text, before which goes a space at a start.
func (m *spm) encode(dst []int32, text string, start bool, s *scratch) []int32 {
	text = strings.ReplaceAll(text, " ", spaceMark)
	if start && m.prefix {
		text = spaceMark + text
	}
	for len(text) > 0 {
		n := m.seams.first(text)
		dst = m.piece(dst, text[:n], s)
		text = text[n:]
	}
	return dst
}

// piece appends the tokens of one piece.
func (m *spm) piece(dst []int32, text string, s *scratch) []int32 {
	if len(text) > maxCached {
		return m.pieceUncached(dst, text, s)
	}
	e := s.words.find(text)
	if e.n > 0 {
		return append(dst, e.ids[:e.n]...)
	}
	from := len(dst)
	dst = m.pieceUncached(dst, text, s)
	e.fill(dst[from:])
	return dst
}

func (m *spm) pieceUncached(dst []int32, text string, s *scratch) []int32 {
	s.spm = spmPairer{m, text}
	c := &s.chain
	c.reset()
	for at := 0; at < len(text); {
		n := charLen(text[at:])
		c.push(n, -1)
		at += n
	}
	c.merge(&s.spm)
	for i := int32(0); i >= 0; i = c.syms[i].next {
		l := &c.syms[i]
		if l.id < 0 { // a single character
			l.id = m.texts.find(text[l.pos : l.pos+l.n])
		}
		if l.id >= 0 {
			dst = append(dst, l.id)
			continue
		}
		for _, b := range []byte(text[l.pos : l.pos+l.n]) {
			dst = append(dst, m.byteID[b])
		}
	}
	s.spm.text = "" // the pool must not keep the caller's text alive
	return dst
}

// spmPairer looks pairs up by the text they make.
type spmPairer struct {
	*spm
	text string
}

func (p *spmPairer) pair(left, right *link) (uint32, int32, bool) {
	n := left.n + right.n
	if int(n) > p.longest {
		return 0, 0, false
	}
	id := p.texts.find(p.text[left.pos : left.pos+n])
	if id < 0 {
		return 0, 0, false
	}
	return p.priority[id], id, true
}
