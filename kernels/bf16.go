package kernels

import "math"

// Training may compute its matrix products in bf16 with sums in f32 (Level.GemmBF16). Inputs are rounded to nearest
// even; the instructions flush denormals and add in an order of their own, so results are stable for one CPU's bf16
// unit only (BF16Unit) and never reach inference.

// BF16Cols is the width of a packed panel of B.
const BF16Cols = 32

// BF16Step is what k of GemmBF16 is a multiple of.
const BF16Step = 32

// bf16Row is the specification of Level.BF16Row.
func bf16Row(dst []uint16, src []float32) {
	for i, x := range src {
		dst[i] = bf16(x)
	}
}

// bf16Pairs is the specification of Level.BF16Pairs.
func bf16Pairs(dst []uint16, even, odd []float32) {
	for i, x := range even {
		dst[2*i], dst[2*i+1] = bf16(x), bf16(odd[i])
	}
}

// bf16 rounds to nearest even; every NaN becomes 0x7fc0.
func bf16(x float32) uint16 {
	if x != x {
		return 0x7fc0
	}
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
