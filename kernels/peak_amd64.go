//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

//go:noescape
func peakReadAVX512(p *byte, n int)

//go:noescape
func peakInt8AVX512(iterations int)

//go:noescape
func peakF32AVX512(iterations int)

//go:noescape
func peakReadAVX2(p *byte, n int)

// peakReadRunsAVX2 reads n bytes, a positive multiple of 2048.
//
//go:noescape
func peakReadRunsAVX2(p *byte, n int)

// peakReadRunsAMDAVX2 does so by way of the second-level cache, see runsForAMD.
//
//go:noescape
func peakReadRunsAMDAVX2(p *byte, n int)

//go:noescape
func peakF32AVX2(iterations int)

var (
	peak512 = cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512VNNI)
	peak256 = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3)
)

func peakRead(b []byte) {
	n := len(b) &^ 511
	switch {
	case n == 0:
	case peak512:
		peakReadAVX512(&b[0], n)
	case peak256:
		peakReadAVX2(&b[0], n)
	default:
		peakReadGo(b)
	}
}

func peakReadRuns(b []byte) {
	n := len(b) &^ 2047
	if peak256 && n > 0 {
		if runsForAMD {
			peakReadRunsAMDAVX2(&b[0], n)
		} else {
			peakReadRunsAVX2(&b[0], n)
		}
		b = b[n:]
	}
	peakRead(b)
}

func peakInt8(iterations int) int {
	if !peak512 {
		return 0
	}
	peakInt8AVX512(iterations)
	return iterations * 16 * 64 * 2
}

func peakF32(iterations int) int {
	switch {
	case peak512:
		peakF32AVX512(iterations)
		return iterations * 16 * 16 * 2
	case peak256:
		peakF32AVX2(iterations)
		return iterations * 12 * 8 * 2
	}
	return 0
}
