package distill

import (
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// Optimizer is AdamW (Loshchilov and Hutter, arXiv:1711.05101) with clipping by the global norm and a schedule.
// Weight decay applies to matrices only.
type Optimizer struct {
	LR           float64
	Beta1, Beta2 float64
	Eps          float64
	WeightDecay  float64
	Clip         float64 // largest global L2 norm of the gradients; 0 = no clipping
	Schedule     Schedule
}

// Schedule gives the learning rate's factor at a step.
type Schedule struct {
	Kind     string // "constant", "linear" or "cosine"
	Warmup   int    // steps of linear rise
	Steps    int    // total
	MinRatio float64
}

// Check refuses unknown kinds.
func (s Schedule) Check() error {
	switch s.Kind {
	case "constant", "linear", "cosine":
		return nil
	}
	return fmt.Errorf("unknown schedule %q, want one of: constant, linear, cosine", s.Kind)
}

// At is the factor for step 0, 1, ...: warm-up (step+1)/Warmup, then from 1 down to MinRatio.
func (s Schedule) At(step int) float64 {
	if step < s.Warmup {
		return float64(step+1) / float64(s.Warmup)
	}
	x := math.Min(1, float64(step-s.Warmup)/float64(max(1, s.Steps-s.Warmup)))
	switch s.Kind {
	case "linear":
		return 1 - float64((1-s.MinRatio)*x)
	case "cosine":
		_, c := kernels.SinCos(float64(math.Pi * x))
		return s.MinRatio + float64((1-s.MinRatio)*float64(0.5*(1+c)))
	}
	return 1
}

const normBlock = 4096 // elements a partial sum of squares covers

// GradNorm is the global L2 norm of the gradients: blocks of 4096 by the canonical sum, added in tensor order.
func GradNorm(s *Student, level *kernels.Level, par Parallel) float64 {
	total := 0.0
	for _, p := range s.Params {
		n := (len(p.G) + normBlock - 1) / normBlock
		parts := make([]float32, n)
		par(n, func(_, i int) { parts[i] = level.SumSq(p.G[i*normBlock : min(len(p.G), (i+1)*normBlock)]) })
		for _, v := range parts {
			total += float64(v)
		}
	}
	return math.Sqrt(total)
}

// Step applies step number step (from 0) and returns the gradients' norm before clipping and the learning rate.
func (o *Optimizer) Step(s *Student, step int, level *kernels.Level, par Parallel) (norm, lr float64) {
	norm = GradNorm(s, level, par)
	lr = float64(o.LR * o.Schedule.At(step))
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm, lr // the trainer skips and counts the step
	}
	gs := 1.0
	if o.Clip > 0 && norm > o.Clip {
		gs = o.Clip / (norm + 1e-6)
	}
	t := float64(step + 1)
	a := kernels.AdamWStep{GradScale: float32(gs), Beta1: float32(o.Beta1), Beta2: float32(o.Beta2),
		LR:           float32(lr / (1 - kernels.Pow(o.Beta1, t))),
		InvSqrtBias2: float32(1 / math.Sqrt(1-kernels.Pow(o.Beta2, t))), Eps: float32(o.Eps)}
	for _, p := range s.Params {
		if p.Frozen() {
			continue
		}
		st := a
		st.Decay = 1
		if len(p.Shape) >= 2 {
			st.Decay = float32(1 - float64(lr*o.WeightDecay))
		}
		n := (len(p.W) + normBlock - 1) / normBlock
		par(n, func(_, i int) {
			lo, hi := i*normBlock, min(len(p.W), (i+1)*normBlock)
			level.AdamW(p.W[lo:hi], p.G[lo:hi], p.M[lo:hi], p.V[lo:hi], &st)
		})
	}
	return norm, lr
}
