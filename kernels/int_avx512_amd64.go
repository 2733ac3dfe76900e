//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// avx512Int fills l with this level's kernels of the int group.
func avx512Int(l *Level) {
	l.Quantize = quantizeLevelAVX512
	codesAVX512(l)
	l.PackTile = packTileAVX512
	unpackAVX512(l)
	l.GemmInt8 = gemmInt8AVX512
	l.Gemv[Q8_0] = gemvPlainAVX512(gemvSumsQ8_0AVX512, Q8_0Bytes, 7)
	l.Gemv[Q4_0] = gemvPlainAVX512(gemvSumsQ4_0AVX512, Q4_0Bytes, 3)
	l.Gemv[Q4_1] = gemvMinAVX512(gemvSumsQ4_1AVX512, Q4_1Bytes)
	if cpuid.CPU.Supports(cpuid.BMI2) { // PEXT
		l.Gemv[Q5_0] = gemvPlainAVX512(gemvSumsQ5_0AVX512, Q5_0Bytes, 4)
		l.Gemv[Q5_1] = gemvMinAVX512(gemvSumsQ5_1AVX512, Q5_1Bytes)
	}
	l.Gemv[Q4_K] = gemvKMinAVX512(gemvSumsQ4_KAVX512, Q4_KBytes)
	l.Gemv[Q5_K] = gemvKMinAVX512(gemvSumsQ5_KAVX512, Q5_KBytes)
	l.Gemv[Q6_K] = gemvQ6_KAVX512
	gemvFreeOrder(l)
}

//go:noescape
func quantizeAVX512(q, packed *int8, d, sx *float32, sum16, sum32 *int32, x *float32, blocks int) (maxBits uint32)

// quantizeLevelAVX512 also fills Packed, [n, K rounded up to 128], for Gemv: each quad of four blocks as 64 bytes of
// first halves, then 64 of second halves, blocks in the order 0 2 1 3 (the order in which the nibbles of Q4_K fall out).
func quantizeLevelAVX512(a *Acts, t int, x []float32) bool {
	k := a.K
	x = x[:k]
	q, b := a.Q[t*k:t*k+k], k/32
	return quantizeAVX512(&q[0], &a.Packed[t*packedStride(k)], &a.D[t*b : t*b+b][0], &a.SX[t*b : t*b+b][0],
		&a.Sum16[t*b*2 : t*b*2+b*2][0], &a.Sum32[t*b : t*b+b][0], &x[0], b) < 0x7f800000
}

func packedStride(k int) int { return (k + 127) &^ 127 }
