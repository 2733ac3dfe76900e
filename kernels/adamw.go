package kernels

import "math"

// AdamWStep holds the scalars of one AdamW step (Loshchilov and Hutter, arXiv:1711.05101), computed once by the caller.
type AdamWStep struct {
	GradScale    float32 // multiplies the gradient first (clipping, 1/accumulation)
	Beta1, Beta2 float32
	LR           float32 // learning rate / (1 - Beta1^t)
	InvSqrtBias2 float32 // 1/sqrt(1 - Beta2^t)
	Eps          float32
	Decay        float32 // 1 - learning rate * weight decay; multiplies w first
}

// adamW:
//
//	g *= GradScale; m = fma(1-b1, g-m, m); v = fma(1-b2, g*g, b2*v)
//	w = fma(-LR, m / fma(sqrt(v), InvSqrtBias2, Eps), w*Decay)
func adamW(w, g, m, v []float32, s *AdamWStep) {
	c1, c2 := 1-s.Beta1, 1-s.Beta2
	for i := range w {
		gi := float32(g[i] * s.GradScale)
		m[i] = FMA32(c1, gi-m[i], m[i])
		v[i] = FMA32(c2, float32(gi*gi), float32(s.Beta2*v[i]))
		den := FMA32(float32(math.Sqrt(float64(v[i]))), s.InvSqrtBias2, s.Eps)
		w[i] = FMA32(-s.LR, m[i]/den, float32(w[i]*s.Decay))
	}
}
