//go:build !purego

package kernels

// avx2Fit fills l with this level's kernels of packing. AVX-512 would halve a time that is small beside reading and writing the file.
func avx2Fit(l *Level) {
	l.FitAffine, l.FitSymmetric, l.RoundCodes = fitAffineAVX2, fitSymmetricAVX2, roundCodesAVX2
	l.PeakCodes, l.PeakCodes8, l.SpanCodes = peakCodesAVX2, peakCodes8AVX2, spanCodesAVX2
}

func fitAffineAVX2(f *AffineFit, codes []uint8, x, w []float32) {
	n := len(x) / FitLanes
	checkFit(n, len(codes), len(w))
	fitAffine8(f, &codes[0], &x[0], &w[0], n)
}

func fitSymmetricAVX2(d *[FitLanes]float32, codes []uint8, x, w []float32, half int) {
	n := len(x) / FitLanes
	checkFit(n, len(codes), len(w))
	tries := symmetricTries(half)
	fitSymmetric8(d, &codes[0], &x[0], &w[0], n, float32(half), &tries)
}

func roundCodesAVX2(codes []uint8, x []float32, low, scale *[FitLanes]float32, least, most int) {
	n := len(x) / FitLanes
	checkFit(n, len(codes), len(x))
	roundCodes8(&codes[0], &x[0], low, scale, n, int32(least), int32(most))
}

func checkFit(n, codes, weights int) {
	if n < 1 || n > FitMost || codes < n*FitLanes || weights < n*FitLanes {
		panic("kernels: lengths of codes, values and weights of a fit")
	}
}

// blockSpan is the most blocks of 32 values that one call of assembly works on.
const blockSpan = 1024

func peakCodesAVX2(codes []uint8, d, x []float32, div, bias float32, most int8) {
	for ; len(d) > 0; codes, d, x = codes[32*min(len(d), blockSpan):], d[min(len(d), blockSpan):], x[32*min(len(d), blockSpan):] {
		n := min(len(d), blockSpan)
		_, _ = codes[32*n-1], x[32*n-1]
		peakCodes256(&codes[0], &d[0], &x[0], n, div, bias, int32(most))
	}
}

func peakCodes8AVX2(codes []uint8, d, x []float32) {
	for ; len(d) > 0; codes, d, x = codes[32*min(len(d), blockSpan):], d[min(len(d), blockSpan):], x[32*min(len(d), blockSpan):] {
		n := min(len(d), blockSpan)
		_, _ = codes[32*n-1], x[32*n-1]
		peakCodes8x256(&codes[0], &d[0], &x[0], n)
	}
}

func spanCodesAVX2(codes []uint8, d, m, x []float32, most int8) {
	for ; len(d) > 0; codes, d, m, x = codes[32*min(len(d), blockSpan):], d[min(len(d), blockSpan):], m[min(len(d), blockSpan):], x[32*min(len(d), blockSpan):] {
		n := min(len(d), blockSpan)
		_, _, _ = codes[32*n-1], x[32*n-1], m[n-1]
		spanCodes256(&codes[0], &d[0], &m[0], &x[0], n, int32(most))
	}
}

// as fitAffine: x, w, codes [n, 8], 0 < n <= 32
//
//go:noescape
func fitAffine8(f *AffineFit, codes *uint8, x, w *float32, n int)

// as fitSymmetric
//
//go:noescape
func fitSymmetric8(d *[FitLanes]float32, codes *uint8, x, w *float32, n int, half float32, tries *[19]float32)

// as roundCodes
//
//go:noescape
func roundCodes8(codes *uint8, x *float32, low, scale *[FitLanes]float32, n int, least, most int32)

// as peakCodes, of n > 0 blocks
//
//go:noescape
func peakCodes256(codes *uint8, d, x *float32, n int, div, bias float32, most int32)

// as peakCodes8
//
//go:noescape
func peakCodes8x256(codes *uint8, d, x *float32, n int)

// as spanCodes
//
//go:noescape
func spanCodes256(codes *uint8, d, m, x *float32, n int, most int32)
