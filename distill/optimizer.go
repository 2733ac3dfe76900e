package distill

import (
	"fmt"
	"math"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

// Optimizer updates the weights that learn from their gradients: clipping by the global norm, a schedule of the
// learning rate, decoupled weight decay of matrices, and the rule of its kind.
type Optimizer struct {
	Kind         string // see Optimizers; "" = "adamw"
	LR           float64
	Beta1, Beta2 float64
	Eps          float64
	WeightDecay  float64
	Clip         float64 // largest global L2 norm of the gradients; 0 = no clipping
	EMA          float64 // decay of an average of the weights over the steps (see Param.Average); 0 = none
	Schedule     Schedule
}

// rule is one kind of update. Elements are independent, so that any split of a tensor gives the same bits.
type rule struct {
	beta2   float64  // the usual Beta2, for recipes
	moments []string // the values kept for each weight, by their letters in a checkpoint; two at most
	// update is called once a step and gives what happens to a run of weights of one tensor; decay is 1 - lr*WeightDecay
	// for matrices, else 1. g is to be multiplied by scale first.
	update func(o *Optimizer, step int, lr, scale float64) func(l *kernels.Level, w, g []float32, m [2][]float32, decay float32)
}

// rules is filled by the init of each optimizer_*.go: adding one is adding a file; TestOptimizers finds it.
var rules = map[string]rule{}

// Optimizers lists the known kinds, sorted.
func Optimizers() []string { return sortedKeys(rules) }

// Prepare allocates what o keeps for every weight of s that learns, at zero, and the average at the weights.
func (o *Optimizer) Prepare(s *Student) error {
	if o.Kind == "" {
		o.Kind = "adamw"
	}
	r, ok := rules[o.Kind]
	if !ok {
		return fmt.Errorf("unknown optimiser %q, want one of: %s", o.Kind, strings.Join(Optimizers(), ", "))
	}
	if !(o.EMA >= 0 && o.EMA < 1) {
		return fmt.Errorf("the average's decay is %v, want a number from 0 to below 1", o.EMA)
	}
	for _, p := range s.Params {
		p.Moments, p.Average = nil, nil
		if p.Frozen() {
			continue
		}
		for _, name := range r.moments {
			p.Moments = append(p.Moments, Moment{name, make([]float32, len(p.W))})
		}
	}
	if o.EMA > 0 {
		s.KeepAverage()
	}
	return o.Schedule.Check()
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
	scale := 1.0
	if o.Clip > 0 && norm > o.Clip {
		scale = o.Clip / (norm + 1e-6)
	}
	update := rules[o.Kind].update(o, step, lr, scale)
	for _, p := range s.Params {
		if p.Frozen() {
			continue
		}
		decay := float32(1)
		if len(p.Shape) >= 2 {
			decay = float32(1 - float64(lr*o.WeightDecay))
		}
		n := (len(p.W) + normBlock - 1) / normBlock
		par(n, func(_, i int) {
			lo, hi := i*normBlock, min(len(p.W), (i+1)*normBlock)
			var m [2][]float32
			for k := range p.Moments {
				m[k] = p.Moments[k].Data[lo:hi]
			}
			update(level, p.W[lo:hi], p.G[lo:hi], m, decay)
			if o.EMA > 0 {
				for k, w := range p.W[lo:hi] {
					a := p.Average[lo+k]
					p.Average[lo+k] = kernels.FMA32(float32(1-o.EMA), w-a, a)
				}
			}
		})
	}
	return norm, lr
}
