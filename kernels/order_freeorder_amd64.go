//go:build !purego && freeorder

package kernels

// With the build tag freeorder the level avx2 decodes Q8_0 and Q4_1 in whatever summation order is fastest, to measure
// what the canonical order costs. The tests for equal bits fail with it, as they must.

// Files initialise in the order of their names, so level_amd64.go has made the levels.
func init() {
	for _, l := range levels {
		if l.Name == "avx2" {
			l.Gemv[Q8_0], l.Gemv[Q4_1] = freeGemvQ8_0, freeGemvQ4_1
		}
	}
}

func freeGemvQ8_0(dst []float32, w []byte, a *Acts, t int, _ *Scratch) {
	nb := a.K / ActBlock
	w = w[:len(dst)*nb*Q8_0Bytes]
	for r := range dst {
		dst[r] = freeQ8_0AVX2(&w[r*nb*Q8_0Bytes], &a.Q[t*a.K], &a.D[t*nb], &a.SX[t*nb], nb)
	}
}

func freeGemvQ4_1(dst []float32, w []byte, a *Acts, t int, _ *Scratch) {
	nb := a.K / ActBlock
	w = w[:len(dst)*nb*Q4_1Bytes]
	for r := range dst {
		dst[r] = freeQ4_1AVX2(&w[r*nb*Q4_1Bytes], &a.Q[t*a.K], &a.D[t*nb], &a.SX[t*nb], nb)
	}
}

// freeQ8_0AVX2 and freeQ4_1AVX2 give the product of one row of nb > 0 blocks with one token.
//
//go:noescape
func freeQ8_0AVX2(w *byte, q *int8, d, sx *float32, nb int) float32

//go:noescape
func freeQ4_1AVX2(w *byte, q *int8, d, sx *float32, nb int) float32
