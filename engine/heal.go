package engine

import (
	"bytes"
	"errors"

	"github.com/freehold-slm/freehold/models/token"
)

// healing is token healing (Lundberg, guidance): a prompt that ends within a word ends in a token that the model would rarely see there. That
// token is taken back, and the first token generated is one that begins with its text.
type healing struct {
	tok      *token.Tokenizer
	text     []byte // of the token that was taken back; nil = none
	position int    // of the first generated token
}

// heal takes the prompt's last token back, where it is text.
func (st *Stream) heal(tok *token.Tokenizer) error {
	if !st.gen.Heal {
		return nil
	}
	if st.prompt < 2 {
		return errors.New("engine: Heal takes the prompt's last token back, and there is only one; give two at least")
	}
	text := tok.Piece(st.tokens[st.prompt-1], false)
	if len(text) == 0 { // a control token
		return nil
	}
	st.prompt--
	st.tokens = st.tokens[:st.prompt]
	st.pick.heal = healing{tok, text, st.prompt}
	return nil
}

// at is the text that the token at a position has to begin with; nil = none.
func (h *healing) at(position int) []byte {
	if h.text == nil || position != h.position {
		return nil
	}
	return h.text
}

// restrict sets the logits of tokens that do not begin with the text to -Inf, and of those that go on otherwise than the rule wants.
func (h *healing) restrict(logits []float32, rule *constraint) error {
	some := false
	for id := range logits {
		piece := h.tok.Piece(int32(id), false)
		if !bytes.HasPrefix(piece, h.text) || rule != nil && !rule.at.Allows(piece[len(h.text):]) {
			logits[id] = never
			continue
		}
		some = true
	}
	if !some {
		return errors.New("engine: no token begins with the healed text and goes on as the grammar wants")
	}
	return nil
}
