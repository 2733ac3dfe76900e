//go:build !purego

package kernels

// avx2Int fills l with this level's kernels of the int group.
func avx2Int(l *Level) {
	l.Quantize = quantizeTokens(quantizeByAVX2)
	codesAVX2(l)
	l.PackTile, l.GemmInt8 = packTileAVX2, gemmInt8AVX2
	for _, typ := range []Type{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, MXFP4} {
		f := IntFormats[typ]
		l.Gemv[typ] = func(dst []float32, w []byte, a *Acts, t int, s *Scratch) { gemvByAVX2(f, false, dst, w, a, t, s) }
	}
	for _, typ := range []Type{Q4_K, Q5_K, Q6_K, Q2_K, Q3_K, IQ4_XS} {
		f := IntFormats[typ]
		l.Gemv[typ] = func(dst []float32, w []byte, a *Acts, t int, s *Scratch) { gemvKByAVX2(f, dst, w, a, t, s) }
	}
}
