package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// MaxTopLogProbs is the largest Gen.TopLogProbs.
const MaxTopLogProbs = 100

// TokenProb is a token and the logarithm of its probability.
type TokenProb struct {
	ID      int32
	LogProb float64
}

// choose draws the token that follows text from its logits and, where that is asked for, notes how likely the model found it.
func (st *Stream) choose(logits []float32, text []int32) (int32, error) {
	id, err := st.pick.pick(logits, &st.gen, text, st.prompt)
	if err == nil && st.gen.LogProbs {
		st.noted = append(st.noted, st.pick.measure(logits, id, st.gen.TopLogProbs))
	}
	return id, err
}

// measure gives a token the log-probability that the model's own logits [vocab] state, before all sampling, and those of the top
// most likely tokens, best first.
func (s *sampler) measure(logits []float32, id int32, top int) Token {
	if len(s.norm) < len(logits) {
		s.norm = make([]float32, len(logits))
	}
	norm := logNorm(s.l, logits, s.norm)
	t := Token{ID: id, LogProb: float64(logits[id]) - norm}
	if top == 0 {
		return t
	}
	ids := s.top(logits, top)
	if ids == nil { // all of a tiny vocabulary
		for id := range int32(len(logits)) {
			ids = append(ids, id)
		}
		slices.SortStableFunc(ids, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
	}
	t.Top = make([]TokenProb, len(ids))
	for i, id := range ids {
		t.Top[i] = TokenProb{id, float64(logits[id]) - norm}
	}
	return t
}

// LogProbs makes the session hold exactly tokens, evaluated anew, and tells of each but the first how likely it was after those
// before it, with the top most likely tokens of its place. [len(tokens)-1]
func (s *Session) LogProbs(ctx context.Context, tokens []int32, top int) ([]Token, error) {
	switch {
	case len(tokens) == 0:
		return nil, fmt.Errorf("engine: LogProbs of no tokens; there is nothing to evaluate")
	case top < 0 || top > MaxTopLogProbs:
		return nil, fmt.Errorf("engine: LogProbs with the %d most likely, want 0 to %d", top, MaxTopLogProbs)
	}
	s.Truncate(0)
	pick := sampler{l: s.m.level}
	out := make([]Token, 0, len(tokens)-1)
	err := s.m.eval(ctx, []Seq{{s, tokens, WantAll}}, func(_, t int, logits []float32) error {
		if t+1 < len(tokens) {
			out = append(out, pick.measure(logits, tokens[t+1], top))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
