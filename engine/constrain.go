package engine

import (
	"fmt"
	"math"
	mathbits "math/bits"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/token"
)

// never is the logit of a token that may not come.
var never = float32(math.Inf(-1))

// constraint keeps a generation within a grammar; nil = anything may come.
type constraint struct {
	at  *grammar.Matcher
	v   *grammar.Vocab
	tok *token.Tokenizer
}

// constrain makes the constraint of a generation.
func (m *Model) constrain(g *grammar.Grammar) (*constraint, error) {
	if g == nil {
		return nil, nil
	}
	if m.base != nil { // it has the same tokens
		return m.base.constrain(g)
	}
	tok, err := m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	m.vocabOnce.Do(func() {
		var ends []int32
		for id := range int32(m.Spec.Vocab) {
			if tok.IsEOG(id) {
				ends = append(ends, id)
			}
		}
		m.vocab = grammar.NewVocab(m.Spec.Vocab, func(id int32) []byte { return tok.Piece(id, false) }, ends)
	})
	return &constraint{g.NewMatcher(), m.vocab, tok}, nil
}

// restrict sets the logits of tokens that may not come to -Inf.
func (c *constraint) restrict(logits []float32) error {
	mask := c.at.Mask(c.v)
	if err := c.at.Err(); err != nil {
		return err
	}
	if mask.Empty() {
		return fmt.Errorf("engine: the grammar wants text that no token of the vocabulary spells")
	}
	for w, bits := range mask {
		part := logits[w*64 : min(len(logits), w*64+64)]
		for not := ^bits; not != 0; not &= not - 1 {
			if i := mathbits.TrailingZeros64(not); i < len(part) {
				part[i] = never
			}
		}
	}
	return nil
}

// accept goes on by a token, of which the first bytes may be healed.
func (c *constraint) accept(id int32, healed []byte) {
	if !c.tok.IsEOG(id) && !c.at.Accept(c.tok.Piece(id, false)[len(healed):]) {
		panic(fmt.Sprintf("engine: token %d is within the grammar's mask and not taken by it", id))
	}
}

// done tells whether nothing more may come.
func (c *constraint) done() bool { return c != nil && c.at.Done() }
