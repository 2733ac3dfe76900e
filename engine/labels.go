package engine

import (
	"context"
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
)

// labelRows is how many rows are evaluated together at most: enough to fill passes, few enough that their pages fit
// the memory.
const labelRows = 32

// LogProbs returns each text's log-probability of each label [texts, labels], before calibration.
func (c *Classifier) LogProbs(ctx context.Context, texts []string) ([][]float64, error) {
	t, err := c.m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	prompts := make([][]int32, len(texts))
	for i, text := range texts {
		prompts[i] = c.encode(t, text)
		if len(prompts[i]) > c.m.cfg.context {
			return nil, fmt.Errorf("text %d: %w", i, &ContextError{len(prompts[i]), c.m.cfg.context})
		}
		if len(prompts[i]) == 0 {
			return nil, fmt.Errorf("engine: text %d makes an empty prompt", i)
		}
	}
	return c.LogProbsTokens(ctx, prompts)
}

// LogProbsTokens is LogProbs for whole prompts, as Tokens gives them.
func (c *Classifier) LogProbsTokens(ctx context.Context, prompts [][]int32) ([][]float64, error) {
	base := c.m.NewSession()
	defer base.Close()
	if err := c.begin(ctx, base, prompts); err != nil {
		return nil, err
	}
	return c.logProbsAfter(ctx, prompts, func(int) *Session { return base })
}

// logProbsAfter is LogProbsTokens of prompts whose beginnings are evaluated: base(i) holds that of prompt i.
func (c *Classifier) logProbsAfter(ctx context.Context, prompts [][]int32, base func(i int) *Session) ([][]float64, error) {
	rows := make([][]float64, len(prompts))
	sessions := make([]*Session, min(labelRows, len(prompts)))
	for i := range sessions {
		sessions[i] = c.m.NewSession()
		defer sessions[i].Close()
	}
	tmp := make([]float32, c.m.Spec.Vocab)
	for from := 0; from < len(prompts); from += labelRows {
		batch := prompts[from:min(len(prompts), from+labelRows)]
		seqs := make([]Seq, len(batch))
		for i, p := range batch {
			b := base(from + i)
			sessions[i].Assign(b)
			seqs[i] = Seq{sessions[i], p[b.Len():], WantLast}
			if c.head {
				seqs[i].Want = WantClass
			}
		}
		if err := c.score(ctx, seqs, rows[from:from+len(batch)], tmp); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// score evaluates what is left of some prompts and gives the log-probability of each label.
func (c *Classifier) score(ctx context.Context, seqs []Seq, out [][]float64, tmp []float32) error {
	switch {
	case c.head:
		if err := c.m.EvalBatch(ctx, seqs); err != nil {
			return err
		}
		for i := range seqs {
			out[i] = headLogProbs(seqs[i].Session.ClassLogits())
		}
		return nil
	case c.first != nil:
		return c.m.eval(ctx, seqs, func(seq, _ int, l []float32) error {
			out[seq] = c.firstTokens(l, tmp)
			return nil
		})
	}
	return c.wholeWords(ctx, seqs, out, tmp)
}

// shared is how many tokens of prompts are computed once: none by an encoder, in which they see what follows.
func (c *Classifier) shared(prompts [][]int32) int {
	if c.m.Spec.Encoder {
		return 0
	}
	return shared(prompts)
}

// shared is how many tokens all prompts begin with; at least one token of each is left, and one prompt alone shares none.
func shared(prompts [][]int32) int {
	if len(prompts) < 2 {
		return 0
	}
	n := len(prompts[0])
	for _, p := range prompts {
		n = min(common(prompts[0][:n], p), len(p)-1)
	}
	return max(n, 0)
}

// begin makes base hold what all prompts begin with.
func (c *Classifier) begin(ctx context.Context, base *Session, prompts [][]int32) error {
	n := c.shared(prompts)
	if n == 0 {
		return nil
	}
	return c.m.EvalBatch(ctx, []Seq{c.prefix(base, prompts[0][:n])})
}

// prefix makes base hold what prompts begin with, once it is evaluated.
func (c *Classifier) prefix(base *Session, tokens []int32) Seq {
	if c.head {
		return Seq{base, tokens, WantClass}
	}
	return Seq{base, tokens, WantNone}
}

// firstTokens gives the log-probability of each label's first tokens.
func (c *Classifier) firstTokens(l, tmp []float32) []float64 {
	norm := logNorm(c.m.level, l, tmp)
	out := make([]float64, len(c.first))
	for i, ids := range c.first {
		var x [16]float64
		list := x[:0]
		for _, id := range ids {
			list = append(list, float64(l[id])-norm)
		}
		out[i] = logSum(list)
	}
	return out
}

// wholeWords scores every spelling of every label as a continuation of each prompt. The spelling must be the whole
// answer as far as it goes: labels of which one begins with another are told apart by the tokens beyond.
func (c *Classifier) wholeWords(ctx context.Context, seqs []Seq, out [][]float64, tmp []float32) error {
	for i := range seqs {
		seqs[i].Session.logitsAt = 0
	}
	if err := c.m.EvalBatch(ctx, seqs); err != nil {
		return err
	}
	for i := range seqs {
		s := seqs[i].Session
		norm := logNorm(c.m.level, s.Logits(), tmp)
		scores := make([][]float64, len(c.words))
		var at []*float64
		var cont []Seq
		var ids [][]int32
		for l, words := range c.words {
			scores[l] = make([]float64, len(words))
			for w, word := range words {
				scores[l][w] = float64(s.Logits()[word[0]]) - norm
				if len(word) > 1 {
					cont = append(cont, Seq{s.Fork(), word[:len(word)-1], WantAll})
					at, ids = append(at, &scores[l][w]), append(ids, word)
				}
			}
		}
		err := c.m.eval(ctx, cont, func(seq, t int, l []float32) error {
			*at[seq] += float64(l[ids[seq][t+1]]) - logNorm(c.m.level, l, tmp)
			return nil
		})
		for j := range cont {
			cont[j].Session.Close()
		}
		if err != nil {
			return err
		}
		out[i] = make([]float64, len(scores))
		for l := range scores {
			out[i][l] = logSum(scores[l])
		}
	}
	return nil
}

// headLogProbs gives the log-probabilities of a head's labels; of one logit, a reranker's, those of yes and no.
func headLogProbs(l []float32) []float64 {
	if len(l) == 1 {
		return []float64{kernels.LogSigmoid(float64(l[0])), kernels.LogSigmoid(-float64(l[0]))}
	}
	return logSoftmax(l)
}

// logSoftmax gives the log-probabilities of logits.
func logSoftmax(l []float32) []float64 {
	x := make([]float64, len(l))
	for i, v := range l {
		x[i] = float64(v)
	}
	norm := logSum(x)
	for i := range x {
		x[i] -= norm
	}
	return x
}
