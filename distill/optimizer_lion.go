package distill

import "github.com/freehold-slm/freehold/kernels"

// Lion (Chen et al., arXiv:2302.06675): one moment, and every weight moves by the learning rate:
//
//	c = Beta1 m + (1-Beta1) g;  w = w*decay - lr*sign(c);  m = Beta2 m + (1-Beta2) g
//
// It wants a learning rate 3 to 10 times lower than AdamW's, a weight decay as much higher, and Beta2 near 0.99.
func init() {
	rules["lion"] = rule{beta2: 0.99, moments: []string{"m"}, update: func(o *Optimizer, _ int, lr, scale float64) func(*kernels.Level, []float32, []float32, [2][]float32, float32) {
		c1, c2, rate, gs := float32(1-o.Beta1), float32(1-o.Beta2), float32(lr), float32(scale)
		return func(_ *kernels.Level, w, g []float32, moments [2][]float32, decay float32) {
			m := moments[0]
			for i, gi := range g {
				gi = float32(gi * gs)
				d := gi - m[i]
				step := float32(0)
				switch c := kernels.FMA32(c1, d, m[i]); {
				case c > 0:
					step = rate
				case c < 0:
					step = -rate
				}
				w[i] = float32(w[i]*decay) - step
				m[i] = kernels.FMA32(c2, d, m[i])
			}
		}
	}}
}
