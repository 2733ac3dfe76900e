package distill

import (
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// partLoss is a Loss whose gradient by a logit needs no more of the row's others than a few sums, so that a row can come in
// parts, twice: first for the sums, then for the gradient. Parts of a width that suits the caches then do for a vocabulary.
type partLoss interface {
	Loss
	// sum adds columns [at, at+len(z)) of a row of logits to s; parts come in rising order and z is kept.
	sum(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32)
	// end returns the loss in nats and prepares the gradient of weight times it.
	end(l *kernels.Level, s *rowSums, t *Target, weight float32) float64
	// grad overwrites the same part with its gradient.
	grad(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32)
}

// rowSums is what is kept of a row between its parts.
type rowSums struct {
	ce  ceSums
	kl  klSums
	top topSums
}

// reset forgets a row; topSums begins with its first part.
func (s *rowSums) reset() {
	none := expSum{max: float32(math.Inf(-1))}
	s.ce, s.kl = ceSums{q: none}, klSums{p: none, q: none}
}

// wholeRow is Loss.Row of a loss by parts: the row is one part.
func wholeRow(p partLoss, l *kernels.Level, z []float32, t Target, tmp []float32) float64 {
	if int(t.Label) >= len(z) {
		panic(fmt.Sprintf("distill: label %d of %d logits", t.Label, len(z)))
	}
	var s rowSums
	s.reset()
	p.sum(l, &s, z, 0, &t, tmp)
	loss := p.end(l, &s, &t, t.Weight)
	p.grad(l, &s, z, 0, &t, tmp)
	return loss
}

// expSum is sum exp(x - max) over the parts so far, max being their largest x.
type expSum struct {
	max float32
	sum float64
}

// add takes a part x, leaves exp(x - max) in e, and returns what earlier sums of such terms shrink by.
func (r *expSum) add(l *kernels.Level, e, x []float32) (shrink float64) {
	shrink = 1
	if m := l.Max(x); m > r.max {
		shrink = kernels.Exp(float64(r.max) - float64(m))
		r.max = m
		r.sum *= shrink
	}
	if math.IsInf(float64(r.max), -1) && !math.IsNaN(float64(l.Sum(x))) { // masked logits alone
		clear(e)
		return 1
	}
	r.sum += float64(l.SoftmaxExp(e, x, r.max))
	return shrink
}

// log is log sum exp(x).
func (r *expSum) log() float64 { return float64(r.max) + kernels.Log(r.sum) }

// scaled gives x*invT, in tmp unless it is x itself.
func scaled(l *kernels.Level, tmp, x []float32, invT float32) []float32 {
	if invT == 1 {
		return x
	}
	tmp = tmp[:len(x)]
	copy(tmp, x)
	l.Scale(tmp, invT)
	return tmp
}
