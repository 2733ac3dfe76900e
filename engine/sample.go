package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/kernels"
)

// argmax returns the index of the largest logit; the first wins a tie.
func argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}

// Gen says how to continue a text. The zero value is greedy, until the model ends or the context is full.
type Gen struct {
	MaxTokens   int               // 0 = as many as the context holds
	Temperature float64           // 0 = greedy: the most likely token, the lowest id on a tie
	TopK        int               // sample among this many most likely tokens; 0 = all
	TopP        float64           // sample among the most likely tokens that reach this probability together; 0 or 1 = all
	MinP        float64           // leave out tokens less likely than this part of the most likely one's probability; 0 = none
	Penalties                     // before all of these, with temperature 0 too
	Bias        map[int32]float32 // added to the logits of tokens; -Inf = never
	Grammar     *grammar.Grammar  // nil = any text. Tokens that it does not allow are never drawn; it also says where the text may end
	Seed        uint64            // with Temperature: the same seed gives the same text
	Sequence    uint32            // tells apart several continuations of one prompt under one seed
	Stop        []string          // texts that end the generation; they are not part of it
	Draft       Draft             // guesses tokens ahead; nil = none. The text is the same with and without
	DraftTokens int               // guesses at a time at most; 0 = DraftTokens
	LogProbs    bool              // tell of each token how likely the model found it: Token.LogProb
	TopLogProbs int               // with LogProbs: and the most likely tokens of its place, this many
	Sampler     Sampler           // chooses in place of Temperature, TopK, TopP and MinP, which must be 0 then; nil = these
	Heal        bool              // token healing: the prompt's last token is taken back, and the first generated one begins with its text
	Cache       CacheKey          // what earlier generations under the key computed is used, and this one's kept (PrefixCache)
}

func (g *Gen) check() error {
	switch {
	case g.MaxTokens < 0:
		return fmt.Errorf("engine: MaxTokens is %d, want 0 (no limit) or more", g.MaxTokens)
	case !(g.Temperature >= 0) || g.Temperature > 100:
		return fmt.Errorf("engine: Temperature is %v, want 0 to 100", g.Temperature)
	case g.DraftTokens < 0 || g.DraftTokens > MaxDraftTokens:
		return fmt.Errorf("engine: DraftTokens is %d, want 0 (%d) to %d", g.DraftTokens, DraftTokens, MaxDraftTokens)
	case g.TopLogProbs < 0 || g.TopLogProbs > MaxTopLogProbs || g.TopLogProbs > 0 && !g.LogProbs:
		return fmt.Errorf("engine: TopLogProbs is %d, want 0 to %d, and LogProbs with it", g.TopLogProbs, MaxTopLogProbs)
	case g.Sampler != nil && (g.Temperature != 0 || g.TopK != 0 || g.TopP != 0 || g.MinP != 0):
		return fmt.Errorf("engine: Sampler is given, so Temperature, TopK, TopP and MinP must be 0")
	case g.TopK < 0:
		return fmt.Errorf("engine: TopK is %d, want 0 (all) or more", g.TopK)
	case !(g.TopP >= 0 && g.TopP <= 1):
		return fmt.Errorf("engine: TopP is %v, want 0 to 1", g.TopP)
	case !(g.MinP >= 0 && g.MinP <= 1):
		return fmt.Errorf("engine: MinP is %v, want 0 to 1", g.MinP)
	case !(g.Repeat >= 0 && g.Repeat <= 100):
		return fmt.Errorf("engine: Repeat is %v, want 0 or 1 (no penalty) to 100", g.Repeat)
	case !(math.Abs(g.Presence) <= 100 && math.Abs(g.Frequency) <= 100):
		return fmt.Errorf("engine: Presence is %v and Frequency %v, want -100 to 100", g.Presence, g.Frequency)
	}
	for id, b := range g.Bias {
		if id < 0 || b != b || math.IsInf(float64(b), 1) {
			return fmt.Errorf("engine: Bias of token %d is %v, want a token of the vocabulary and a number or -Inf", id, b)
		}
	}
	for _, s := range g.Stop {
		if s == "" {
			return fmt.Errorf("engine: Stop holds an empty text, which would end before it begins")
		}
	}
	return nil
}

// sampler chooses tokens; its slices are scratch.
type sampler struct {
	l       *kernels.Level
	x       []float32 // probabilities, not normalised
	ids     []int32   // of x, where it does not hold all tokens
	heap    []int32
	changed []float32 // logits with biases and penalties, within the grammar
	seen    []bool
	norm    []float32 // of measure
	rule    *constraint
	heal    healing
}

// Sampler chooses tokens in a way of one's own.
type Sampler interface {
	// Sample chooses the token that follows from its logits [vocab], which are the sampler's to change: with biases and penalties,
	// and -Inf where a token may not come. Choosing one of these is an error. A stream calls it for one token after another, with drafts for a token again;
	// the choice should be a function of what it is given.
	Sample(logits []float32, at Draw) int32
}

// Draw is the place of a choice in a generation.
type Draw struct {
	Text   []int32 // prompt and what was generated so far; not to be changed
	Prompt int     // tokens of the prompt
	gen    *Gen
}

// Uniform is a random number from 0 to 1, the same for a seed, sequence, position and lane.
func (d Draw) Uniform(lane uint32) float64 {
	return uniform(d.gen.Seed, kernels.PurposeSample, uint32(len(d.Text)), d.gen.Sequence, lane)
}

// pick chooses the token that follows text, of which the first prompt tokens were given, from its logits [vocab]. The
// draw is a function of seed, position and sequence alone, so it does not depend on what was drawn before.
//
// In order: biases, penalties, the grammar, the Sampler if there is one; else the most likely token where the temperature is 0, TopK, the temperature, TopP, MinP.
func (s *sampler) pick(logits []float32, g *Gen, text []int32, prompt int) (int32, error) {
	logits, err := s.change(logits, g, text, prompt)
	if err != nil {
		return 0, err
	}
	var id int32
	if g.Sampler == nil {
		id = s.draw(logits, g, len(text))
	} else {
		s.x = append(s.x[:0], logits...)
		id = g.Sampler.Sample(s.x, Draw{text, prompt, g})
		if id < 0 || int(id) >= len(logits) || logits[id] == never {
			return 0, fmt.Errorf("engine: the sampler chose token %d, which may not come here (of %d)", id, len(logits))
		}
	}
	if s.rule != nil {
		s.rule.accept(id, s.heal.at(len(text)))
	}
	return id, nil
}

// draw chooses a token for a position.
func (s *sampler) draw(logits []float32, g *Gen, position int) int32 {
	if g.Temperature == 0 || g.TopK == 1 {
		return argmax(logits)
	}
	u := uniform(g.Seed, kernels.PurposeSample, uint32(position), g.Sequence, 0)
	ids := s.top(logits, g.TopK)
	n := len(ids)
	if ids == nil {
		n = len(logits)
	}
	if cap(s.x) < n {
		s.x = make([]float32, n)
	}
	x := s.x[:n]
	if ids == nil {
		copy(x, logits)
	} else {
		for i, id := range ids {
			x[i] = logits[id]
		}
	}
	s.l.Scale(x, float32(1/g.Temperature))
	s.l.SoftmaxExp(x, x, s.l.Max(x)) // the most likely has 1
	if g.TopP > 0 && g.TopP < 1 {
		s.nucleus(x, g.TopP)
	}
	if g.MinP > 0 {
		for i, p := range x {
			if float64(p) < g.MinP {
				x[i] = 0
			}
		}
	}
	total := 0.0
	for _, p := range x {
		total += float64(p)
	}
	target, acc, last := float64(u*total), 0.0, 0
	for i, p := range x {
		if p == 0 {
			continue
		}
		acc += float64(p)
		last = i
		if acc > target {
			break
		}
	}
	if ids != nil {
		return ids[last]
	}
	return int32(last)
}

// change returns the logits with biases and penalties, within the grammar; the logits themselves where there are none.
func (s *sampler) change(logits []float32, g *Gen, text []int32, prompt int) ([]float32, error) {
	heal := s.heal.at(len(text))
	if len(g.Bias) == 0 && g.Penalties.none() && s.rule == nil && heal == nil {
		return logits, nil
	}
	s.changed = append(s.changed[:0], logits...)
	for id, b := range g.Bias { // each token once, so the order is of no matter
		if int(id) < len(s.changed) {
			s.changed[id] += b
		}
	}
	if len(s.seen) < len(logits) {
		s.seen = make([]bool, len(logits))
	}
	g.Penalties.apply(s.changed, text, prompt, s.seen[:len(logits)])
	switch {
	case heal != nil:
		return s.changed, s.heal.restrict(s.changed, s.rule)
	case s.rule != nil:
		return s.changed, s.rule.restrict(s.changed)
	}
	return s.changed, nil
}

// nucleus sets all but the most likely of x to 0, so that what is left reaches the part p of the whole and would not
// with one less; among equals the first stay (Holtzman et al. 2020).
func (s *sampler) nucleus(x []float32, p float64) {
	total := 0.0
	for _, v := range x {
		total += float64(v)
	}
	// Values below this sum up to less than what is left out: the nucleus is among the others, which are few.
	least := float64(total * (1 - p) / float64(len(x)))
	ids := s.ids[:0]
	for i, v := range x {
		if float64(v) >= least {
			ids = append(ids, int32(i))
		} else {
			x[i] = 0
		}
	}
	s.ids = ids
	slices.SortFunc(ids, func(a, b int32) int {
		if x[a] != x[b] {
			return cmp.Compare(x[b], x[a])
		}
		return cmp.Compare(a, b)
	})
	acc, want := 0.0, float64(total*p)
	for _, i := range ids {
		if acc >= want && acc > 0 {
			x[i] = 0
			continue
		}
		acc += float64(x[i])
	}
}

// top returns the k best tokens, best first, lower ids first among equals; nil for all. It keeps a heap whose root is
// the worst of the best.
func (s *sampler) top(logits []float32, k int) []int32 {
	if k == 0 || k >= len(logits) {
		return nil
	}
	worse := func(a, b int32) bool { // a is a worse choice than b
		return logits[a] < logits[b] || logits[a] == logits[b] && a > b
	}
	h := s.heap[:0]
	sift := func(i, n int) {
		for {
			c := 2*i + 1
			if c >= n {
				return
			}
			if c+1 < n && worse(h[c+1], h[c]) {
				c++
			}
			if !worse(h[c], h[i]) {
				return
			}
			h[i], h[c] = h[c], h[i]
			i = c
		}
	}
	for id := range int32(len(logits)) {
		if len(h) < k {
			h = append(h, id)
			if len(h) == k {
				for i := k/2 - 1; i >= 0; i-- {
					sift(i, k)
				}
			}
		} else if worse(h[0], id) {
			h[0] = id
			sift(0, k)
		}
	}
	for n := len(h) - 1; n > 0; n-- { // heap sort: worst to the back
		h[0], h[n] = h[n], h[0]
		sift(0, n)
	}
	s.heap = h
	return h
}

// logNorm returns log(sum(exp(logits))); tmp holds len(logits) values.
func logNorm(l *kernels.Level, logits, tmp []float32) float64 {
	max := l.Max(logits)
	if math.IsInf(float64(max), -1) {
		return math.Inf(-1)
	}
	return float64(max) + kernels.Log(float64(l.SoftmaxExp(tmp[:len(logits)], logits, max)))
}
