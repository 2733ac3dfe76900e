package engine

import (
	"context"
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
)

// Tagger reads the fields of a schema off a text by marking its tokens, in one pass: what a student of a task `extract` with student.head: tags
// does. An Answerer of such a model has one.
type Tagger struct {
	*Tagging
	m *Model
}

// NewTagger prepares a model whose file holds tags and the schema that they are of.
func (m *Model) NewTagger() (*Tagger, error) {
	if m.Spec.Tags == nil {
		return nil, fmt.Errorf("%s: marks no tokens (key freehold.tags)", m.file.Name)
	}
	schema, err := m.file.String(KeyTaskSchema)
	if err != nil {
		return nil, err
	}
	tags, err := NewTagging([]byte(schema))
	if err != nil {
		return nil, fmt.Errorf("%s: key %s: %w", m.file.Name, KeyTaskSchema, err)
	}
	names := tags.Names()
	if len(names) != len(m.Spec.Tags) {
		return nil, fmt.Errorf("%s: has %d tags, and the fields of its schema want %d", m.file.Name, len(m.Spec.Tags), len(names))
	}
	for i, name := range names {
		if m.Spec.Tags[i] != name {
			return nil, fmt.Errorf("%s: tag %d is %q, and the fields of its schema want %q", m.file.Name, i, m.Spec.Tags[i], name)
		}
	}
	_, err = m.LoadTokenizer()
	return &Tagger{tags, m}, err
}

// Read calls each with the tokens of each text and their logits [tokens, tags], in order; both are valid during the call.
func (t *Tagger) Read(ctx context.Context, texts []string, each func(i int, at []TextSpan, logits []float32) error) error {
	tok := t.m.Tokenizer()
	for from := 0; from < len(texts); from += labelRows {
		some := texts[from:min(len(texts), from+labelRows)]
		at, seqs := make([][]TextSpan, len(some)), make([]Seq, len(some))
		for i, text := range some {
			var ids []int32
			if ids, at[i] = t.Tokens(tok, text); len(ids) > t.m.Context() {
				return fmt.Errorf("text %d: %w", from+i, &ContextError{len(ids), t.m.Context()})
			}
			seqs[i] = Seq{t.m.NewSession(), ids, WantClass}
		}
		err := t.m.EvalBatch(ctx, seqs)
		for i, s := range seqs {
			if err == nil {
				err = each(from+i, at[i], s.Session.ClassLogits())
			}
		}
		for _, s := range seqs {
			s.Session.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Answers reads each text and calls each with the answers in order.
func (t *Tagger) Answers(ctx context.Context, texts []string, each func(i int, got Answer) error) error {
	return t.Read(ctx, texts, func(i int, at []TextSpan, logits []float32) error {
		tags := t.Best(logits, at)
		text, err := t.JSON(t.Values(texts[i], at, tags))
		if err != nil {
			return err
		}
		return each(i, Answer{Text: text, Reason: ReasonEnd, Read: len(at), P: t.sure(logits, at, tags)})
	})
}

// sure is the geometric mean of the probabilities of tags; 1 of none.
func (t *Tagger) sure(logits []float32, at []TextSpan, tags []int) float64 {
	sum, n, k := 0.0, 0, len(t.m.Spec.Tags)
	for i, tag := range tags {
		if at[i].End > at[i].Start {
			sum, n = sum+logSoftmax(logits[i*k : i*k+k])[tag], n+1
		}
	}
	return kernels.Exp(sum / float64(max(1, n)))
}
