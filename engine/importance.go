package engine

import (
	"context"
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/token"
)

// Importance gathers, over texts, how strongly each column of each matrix in the layers is driven: the importances that
// package quant packs by. A model that holds a task reads each text in the task's prompt, others read the text alone;
// a text longer than the context is cut there. The model must be open in mode Reference, so that what is counted are the
// activations and not their 8-bit codes. progress may be nil; an error from it ends the gathering.
func (m *Model) Importance(ctx context.Context, texts []string, progress func(done, total int) error) (*models.Importance, error) {
	if m.cfg.numeric != Reference {
		return nil, fmt.Errorf("engine: importances are gathered in mode reference, the model is open in mode %v", m.cfg.numeric)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("engine: no texts to gather importances from")
	}
	encode, err := m.reader()
	if err != nil {
		return nil, err
	}
	p := &models.Importance{Chunks: uint32(len(texts))}
	for done := 0; done < len(texts); {
		// As many texts as fill a pass; what is summed does not depend on it.
		var seqs []Seq
		for n := 0; done < len(texts) && n < m.cfg.chunk; done++ {
			tokens := encode(texts[done])
			tokens = tokens[:min(len(tokens), m.cfg.context)]
			p.ChunkSize = max(p.ChunkSize, uint32(len(tokens)))
			// All rows are wanted because the last layer runs for wanted rows alone.
			want := WantAll
			switch {
			case m.Spec.Tags != nil:
				want = WantClass
			case m.Spec.Encoder:
				want = WantMean
			}
			seqs = append(seqs, Seq{Session: m.NewSession(), Tokens: tokens, Want: want})
			n += len(tokens)
		}
		err := m.watched(ctx, seqs, p.Add)
		for i := range seqs {
			seqs[i].Session.Close()
		}
		if err != nil {
			return nil, err
		}
		if progress != nil {
			if err := progress(done, len(texts)); err != nil {
				return nil, err
			}
		}
	}
	if p.Len() == 0 {
		return nil, fmt.Errorf("engine: the texts hold no tokens to gather importances from")
	}
	return p, nil
}

// reader encodes a text as the model is meant to read it.
func (m *Model) reader() (func(text string) []int32, error) {
	tok, err := m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	if m.Spec.Tags != nil {
		return func(text string) []int32 { ids, _ := (*Tagging)(nil).Tokens(tok, text); return ids }, nil
	}
	if m.plan.class == nil && !m.file.Has(KeyTaskLabels) {
		return func(text string) []int32 {
			return tok.Encode(nil, text, token.EncodeOptions{AddSpecial: true})
		}, nil
	}
	if m.IsMultilabel() {
		return func(text string) []int32 { return EncodeText(tok, text) }, nil
	}
	c, err := m.NewClassifier(Task{})
	if err != nil {
		return nil, err
	}
	return func(text string) []int32 { return c.encode(tok, text) }, nil
}

// watched evaluates seqs and shows watch the input of every matrix in the layers.
func (m *Model) watched(ctx context.Context, seqs []Seq, watch func(name string, x []float32, width int)) error {
	c := m.queue.get()
	c.watch, c.to = watch, func(int, int, []float32) error { return nil }
	return m.submit(ctx, c, seqs)
}

// show gives the inputs of a region of products to the watcher, once for each tensor.
func (r *runner) show(s *step, n int) {
	for i := range s.mats {
		w := &s.mats[i]
		if i == 0 || w.name != s.mats[i-1].name { // parts of a fused tensor follow one another
			r.watch(w.name, r.buf[s.in][:n*w.k], w.k)
		}
	}
}
