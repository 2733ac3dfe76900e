package engine

import (
	"fmt"
	"math"

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
	MaxTokens   int      // 0 = as many as the context holds
	Temperature float64  // 0 = greedy: the most likely token, the lowest id on a tie
	TopK        int      // sample among this many most likely tokens; 0 = all
	Seed        uint64   // with Temperature: the same seed gives the same text
	Sequence    uint32   // tells apart several continuations of one prompt under one seed
	Stop        []string // texts that end the generation; they are not part of it
	Draft       Draft    // guesses tokens ahead; nil = none. The text is the same with and without
	DraftTokens int      // guesses at a time at most; 0 = DraftTokens
}

func (g *Gen) check() error {
	switch {
	case g.MaxTokens < 0:
		return fmt.Errorf("engine: MaxTokens is %d, want 0 (no limit) or more", g.MaxTokens)
	case !(g.Temperature >= 0) || g.Temperature > 100:
		return fmt.Errorf("engine: Temperature is %v, want 0 to 100", g.Temperature)
	case g.DraftTokens < 0 || g.DraftTokens > MaxDraftTokens:
		return fmt.Errorf("engine: DraftTokens is %d, want 0 (%d) to %d", g.DraftTokens, DraftTokens, MaxDraftTokens)
	case g.TopK < 0:
		return fmt.Errorf("engine: TopK is %d, want 0 (all) or more", g.TopK)
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
	l    *kernels.Level
	x    []float32
	heap []int32
}

// pick chooses the token for a position from its logits [vocab]. The draw is a function of seed, position and
// sequence alone, so it does not depend on what was drawn before.
func (s *sampler) pick(logits []float32, g *Gen, position int) int32 {
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
	s.l.SoftmaxExp(x, x, s.l.Max(x))
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
