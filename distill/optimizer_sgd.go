package distill

import "github.com/freehold-slm/freehold/kernels"

// SGD with momentum Beta1: m = Beta1 m + g;  w = w*decay - lr m.
func init() {
	rules["sgd"] = rule{moments: []string{"m"}, update: func(o *Optimizer, _ int, lr, scale float64) func(*kernels.Level, []float32, []float32, [2][]float32, float32) {
		mu, rate, gs := float32(o.Beta1), float32(lr), float32(scale)
		return func(_ *kernels.Level, w, g []float32, moments [2][]float32, decay float32) {
			m := moments[0]
			for i, gi := range g {
				m[i] = kernels.FMA32(mu, m[i], float32(gi*gs))
				w[i] = kernels.FMA32(-rate, m[i], float32(w[i]*decay))
			}
		}
	}}
}
