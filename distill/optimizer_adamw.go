package distill

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// AdamW (Loshchilov and Hutter, arXiv:1711.05101).
func init() {
	rules["adamw"] = rule{beta2: 0.999, moments: []string{"m", "v"}, update: func(o *Optimizer, step int, lr, scale float64) func(*kernels.Level, []float32, []float32, [2][]float32, float32) {
		t := float64(step + 1)
		a := kernels.AdamWStep{GradScale: float32(scale), Beta1: float32(o.Beta1), Beta2: float32(o.Beta2),
			LR:           float32(lr / (1 - kernels.Pow(o.Beta1, t))),
			InvSqrtBias2: float32(1 / math.Sqrt(1-kernels.Pow(o.Beta2, t))), Eps: float32(o.Eps)}
		return func(l *kernels.Level, w, g []float32, m [2][]float32, decay float32) {
			st := a
			st.Decay = decay
			l.AdamW(w, g, m[0], m[1], &st)
		}
	}}
}
