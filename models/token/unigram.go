package token

import (
	"fmt"
	"math"
)

// unigram takes the most probable way to cut text into tokens (Kudo, arXiv:1804.10959), as SentencePiece does and
// llama.cpp after it: Viterbi's algorithm over characters, what no token spells being unknown at a fixed penalty.
type unigram struct {
	normaliser
	words   *lexicon // normal, user-defined and unused tokens
	score   []float32
	unknown float64 // score of a character that is no token
	unk     int32
	seams   seams
}

func unigramDefaults(v *Vocab) {
	v.EOS, v.UNK, v.PAD = 1, 2, 0
	v.AddEOS = true
}

func newUnigram(v *Vocab, texts *index) (encoder, error) {
	if v.UNK == None {
		return nil, fmt.Errorf("token: the vocabulary names no unknown token")
	}
	m := &unigram{score: make([]float32, len(v.Tokens)), unk: int32(v.UNK)}
	var words []int32
	least := float32(math.MaxFloat32)
	for id, text := range v.Tokens {
		if v.Scores != nil {
			m.score[id] = v.Scores[id]
		}
		switch typ := v.TypeOf(id); typ {
		case Normal, UserDefined, Unused:
			if typ == Normal {
				least = min(least, m.score[id])
			}
			if typ == UserDefined {
				m.score[id] = 0 // more likely than any word
			}
			if text != "" {
				words = append(words, int32(id))
				m.seams.join(text)
			}
		}
	}
	m.unknown = float64(least - 10) // SentencePiece's kUnkPenalty
	m.words = newLexicon(texts, words)
	var err error
	m.normaliser, err = newNormaliser(v, texts)
	return m, err
}

// best is the most probable way to a place in the text: its last token and where that begins.
type best struct {
	id    int32
	from  int32
	score float64
}

// encode appends the tokens of text. No token lies across a seam, so the pieces between are cut each by itself.
func (m *unigram) encode(dst []int32, text string, _ bool, s *scratch) []int32 {
	s.normal = m.appendNormal(s.normal[:0], text)
	text = string(s.normal)
	from := len(dst)
	for len(text) > 0 {
		n := m.seams.first(text)
		at := len(dst)
		dst = m.piece(dst, text[:n], s)
		if at > from && dst[at-1] == m.unk && dst[at] == m.unk { // unknown characters in a row are one token
			dst = append(dst[:at], dst[at+1:]...)
		}
		text = text[n:]
	}
	return dst
}

func (m *unigram) piece(dst []int32, piece string, s *scratch) []int32 {
	if len(piece) > maxCached {
		return m.pieceUncached(dst, piece, s)
	}
	e := s.words.find(piece)
	if e.n > 0 {
		return append(dst, e.ids[:e.n]...)
	}
	from := len(dst)
	dst = m.pieceUncached(dst, piece, s)
	e.fill(dst[from:])
	return dst
}

func (m *unigram) pieceUncached(dst []int32, text string, s *scratch) []int32 {
	path := append(s.path[:0], best{})
	for range len(text) {
		path = append(path, best{id: m.unk, score: -math.MaxFloat64})
	}
	s.path = path
	for at := 0; at < len(text); {
		n := charLen(text[at:])
		before, single := path[at].score, false
		m.words.prefixes(text[at:], func(id int32, length int) {
			single = single || length == n
			if score := before + float64(m.score[id]); score > path[at+length].score {
				path[at+length] = best{id, int32(at), score}
			}
		})
		if score := before + m.unknown; !single && score > path[at+n].score {
			path[at+n] = best{m.unk, int32(at), score}
		}
		at += n
	}
	from := len(dst)
	for at := int32(len(text)); at > 0; at = path[at].from {
		if id := path[at].id; id != m.unk || len(dst) == from || dst[len(dst)-1] != m.unk {
			dst = append(dst, id)
		}
	}
	reverse(dst[from:])
	return dst
}

func reverse(ids []int32) {
	for i, j := 0, len(ids)-1; i < j; i, j = i+1, j-1 {
		ids[i], ids[j] = ids[j], ids[i]
	}
}
