package kernels

import "math"

// FMA32 is the exact fused multiply-add: x*y + z rounded once to float32, as one VFMADD or FMLA lane computes it.
//
// The product of two float32 is exact in float64. The sum is rounded to odd there, which makes the second rounding,
// to float32, correct (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
func FMA32(x, y, z float32) float32 {
	p := float64(float64(x) * float64(y))
	c := float64(z)
	s := p + c
	t := s - p
	e := (p - (s - t)) + (c - t) // the rounding error of s, exact (Knuth's two-sum)
	if e != 0 && e == e {
		if b := math.Float64bits(s); b&1 == 0 {
			if (e > 0) == (s > 0) {
				b++
			} else {
				b--
			}
			s = math.Float64frombits(b)
		}
	}
	return float32(s)
}
