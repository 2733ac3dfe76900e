package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/token"
)

// EmbedOptions say how texts become vectors. The zero value is what the file states, with vectors of length 1.
type EmbedOptions struct {
	// Pooling says how the states of a text's tokens become one; PoolNone = as the file states. A file that states none (most
	// models that generate) wants one given.
	Pooling models.Pooling
	// Raw leaves vectors as long as they come.
	Raw bool
}

// embedTexts is how many texts are evaluated together; each holds the keys and values of its tokens meanwhile.
const embedTexts = 16

// Embed gives the embedding [Spec.Embedding] of each text: its tokens' states after the last layer (and its norm), pooled, and what the file has behind that (Spec.Dense). A vector is a
// function of its text, the file and the mode alone, as logits are. A text that is longer than the context is an error.
func (m *Model) Embed(ctx context.Context, texts []string, o EmbedOptions) ([][]float32, error) {
	t, err := m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	all := make([][]int32, len(texts))
	for i, text := range texts {
		all[i] = t.Encode(nil, text, token.EncodeOptions{AddSpecial: true})
	}
	return m.EmbedTokens(ctx, all, o)
}

// EmbedTokens is Embed of texts that are encoded already, with the tokens that the model wants around them.
func (m *Model) EmbedTokens(ctx context.Context, texts [][]int32, o EmbedOptions) ([][]float32, error) {
	want, err := m.pooling(o.Pooling)
	if err != nil {
		return nil, err
	}
	out := make([][]float32, 0, len(texts))
	for len(texts) > 0 {
		n := min(len(texts), embedTexts)
		var seqs []Seq
		for i, tokens := range texts[:n] {
			if len(tokens) == 0 {
				return nil, fmt.Errorf("engine: text %d is empty; there is nothing to embed", len(out)+i+1)
			}
			if len(tokens) > m.cfg.context {
				return nil, fmt.Errorf("engine: text %d: %w", len(out)+i+1, &ContextError{len(tokens), m.cfg.context})
			}
			seqs = append(seqs, Seq{m.NewSession(), tokens, want})
		}
		err := m.EvalBatch(ctx, seqs)
		for _, s := range seqs {
			if err == nil {
				out = append(out, s.Session.Pooled())
			}
			s.Session.Close()
		}
		if err != nil {
			return nil, err
		}
		texts = texts[n:]
	}
	if !o.Raw {
		for _, v := range out {
			if err := m.normalize(v); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// pooling turns a pooling, or the file's own, into what an evaluation is asked for.
func (m *Model) pooling(p models.Pooling) (Want, error) {
	if p == models.PoolNone {
		p = m.Spec.Pooling
	}
	switch p {
	case models.PoolMean:
		return WantMean, nil
	case models.PoolCLS:
		return WantFirst, nil
	case models.PoolLast:
		return WantState, nil
	}
	return 0, fmt.Errorf("%s: %s.pooling_type is missing or 0: say how states are pooled (mean, cls or last)", m.file.Name, m.Spec.Arch)
}

// normalize makes v a vector of length 1.
func (m *Model) normalize(v []float32) error {
	length := float32(math.Sqrt(float64(m.level.SumSq(v))))
	if !(length > 0) || length-length != 0 {
		return errors.New("engine: an embedding has no length; ask for it raw")
	}
	m.level.Div(v, length)
	return nil
}
