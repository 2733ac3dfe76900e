package models

import "github.com/freehold-slm/freehold/kernels"

// Slopes is ALiBi's slope of each head (Press et al., arXiv:2108.12409), nil where scores know no distance: for n heads, a power of
// two, 2^(-MaxALiBi/n * (h+1)); further heads take every other slope of 2n heads.
func (s *Spec) Slopes() []float32 {
	if s.MaxALiBi == 0 {
		return nil
	}
	n := 1
	for 2*n <= s.Heads {
		n *= 2
	}
	slopes := make([]float32, s.Heads)
	for h := range slopes {
		power := float64(h+1) / float64(n)
		if h >= n {
			power = (float64(h-n) + 0.5) / float64(n)
		}
		slopes[h] = float32(kernels.Pow(2, -float64(s.MaxALiBi)*power))
	}
	return slopes
}
