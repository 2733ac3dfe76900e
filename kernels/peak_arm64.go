//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// peakReadNEON reads n bytes, a positive multiple of 256.
//
//go:noescape
func peakReadNEON(p *byte, n int)

// peakF32NEON runs 16 chains of FMLA, peakInt8DotProd of SDOT, peakInt8I8MM of SMMLA.
//
//go:noescape
func peakF32NEON(iterations int)

//go:noescape
func peakInt8DotProd(iterations int)

//go:noescape
func peakInt8I8MM(iterations int)

func peakRead(b []byte) {
	n := len(b) &^ 255
	if n > 0 {
		peakReadNEON(&b[0], n)
	}
	peakReadGo(b[n:])
}

func peakReadRuns(b []byte) { peakRead(b) }

func peakInt8(iterations int) int {
	switch {
	case cpuid.CPU.Supports(cpuid.I8MM):
		peakInt8I8MM(iterations)
		return iterations * 16 * 32 * 2
	case cpuid.CPU.Supports(cpuid.ASIMDDP):
		peakInt8DotProd(iterations)
		return iterations * 16 * 16 * 2
	}
	return 0
}

func peakF32(iterations int) int {
	peakF32NEON(iterations)
	return iterations * 16 * 4 * 2
}
