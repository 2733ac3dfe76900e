package engine

import (
	"context"
	"math"
	"slices"
	"testing"
)

// The log-probabilities of a generation are those of the model's logits, whatever the sampling, with a draft and without, and
// those that the whole text has in one go.
func TestFixturesLogProbs(t *testing.T) {
	m := small(t, "llama256.Q4_K_M", WithThreads(2))
	ctx := context.Background()
	prompt := []int32{1, 50, 60, 50, 60}
	g := Gen{MaxTokens: 12, Temperature: 0.8, Seed: 3, TopK: 20, Penalties: Penalties{Frequency: 0.5}, LogProbs: true, TopLogProbs: 4}
	var plain []Token
	for _, draft := range []Draft{nil, LookupDraft{}} {
		g.Draft = draft
		var got []Token
		for tok, err := range m.Generate(ctx, prompt, g).All() {
			if err != nil {
				t.Fatal(err)
			}
			if tok.ID >= 0 {
				got = append(got, tok)
			}
		}
		if plain == nil {
			plain = got
		}
		if !slices.EqualFunc(plain, got, sameProbs) || len(got) == 0 {
			t.Errorf("with the draft %v:\n%v\nwithout:\n%v", draft, got, plain)
		}
	}
	text := slices.Clone(prompt)
	for _, tok := range plain {
		text = append(text, tok.ID)
	}
	s := m.NewSession()
	defer s.Close()
	all, err := s.LogProbs(ctx, text, 4)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(text)-1 || s.Len() != len(text) || !slices.EqualFunc(all[len(prompt)-1:], plain, sameProbs) {
		t.Errorf("of the whole text:\n%v\nof the generation:\n%v", all, plain)
	}
	logits, err := s.Eval(ctx, text[:len(prompt)])
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x))
	}
	first := plain[0]
	if want := float64(logits[first.ID]) - math.Log(sum); math.Abs(first.LogProb-want) > 1e-5 {
		t.Errorf("log-probability %v, want %v", first.LogProb, want)
	}
	if len(first.Top) != 4 || first.Top[0].ID != argmax(logits) || !slices.IsSortedFunc(first.Top, func(a, b TokenProb) int { return int(math.Copysign(1, b.LogProb-a.LogProb)) }) {
		t.Errorf("most likely: %v", first.Top)
	}
	if score, err := m.Score(ctx, prompt, [][]int32{text[len(prompt):]}); err != nil || math.Abs(score[0]-sumOf(plain)) > 1e-9 {
		t.Errorf("Score gives %v (%v), the tokens %v together", score, err, sumOf(plain))
	}
	g.LogProbs = false
	if _, err := m.Generate(ctx, prompt, g).Text(); err == nil {
		t.Error("TopLogProbs without LogProbs is let pass")
	}
}

func sameProbs(a, b Token) bool {
	return a.ID == b.ID && a.LogProb == b.LogProb && slices.Equal(a.Top, b.Top)
}

func sumOf(tokens []Token) (sum float64) {
	for _, t := range tokens {
		sum += t.LogProb
	}
	return sum
}
