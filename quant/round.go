package quant

import (
	"encoding/binary"
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// Conversions as ggml's reference quantisers make them. Where C leaves the
// outcome open (a float that does not fit the integer), these give on every
// machine what x86 gives.

// half reads an F16 scale.
func half(b []byte) float32 { return kernels.F16ToF32(binary.LittleEndian.Uint16(b)) }

// putHalf writes an F16 scale and returns what a reader will see.
func putHalf(b []byte, v float32) float32 {
	h := kernels.F32ToF16(v)
	binary.LittleEndian.PutUint16(b, h)
	return kernels.F16ToF32(h)
}

// inverse is 1/d, and 0 for 0.
func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) } // rounds once: IEEE

// roundAway rounds halves away from zero (C's roundf); 0 for what an int32 cannot hold.
func roundAway(v float32) int {
	if !(v > -1<<31 && v < 1<<31) {
		return 0
	}
	return int(float64(v) + math.Copysign(0.5, float64(v))) // the f64 sum is exact where it matters
}

// nearest rounds halves to even by the last place of 1.5 * 2^23. Right for
// magnitudes below 2^22; defined, but meaningless, beyond.
func nearest(v float32) int {
	// The conversion keeps a product in the caller from being fused with the sum.
	return int(math.Float32bits(float32(v)+12582912)&0x7fffff) - 0x400000
}

func clamp(v, lo, hi int) int { return max(lo, min(hi, v)) }

// extreme finds the value of largest magnitude, the first of equals, and that magnitude.
func extreme(x []float32) (value, magnitude float32) {
	for _, v := range x {
		if a := abs(v); a > magnitude {
			value, magnitude = v, a
		}
	}
	return value, magnitude
}

// sumSquares adds in rising order.
func sumSquares(x []float32) (sum float32) {
	for _, v := range x {
		sum += float32(v * v)
	}
	return sum
}

// meanSquare of a row is wanted where there are importances.
func meanSquare(row, importance []float32) float32 {
	if importance == nil {
		return 0
	}
	return sumSquares(row) / float32(len(row))
}

// from is importance[i:]; nil stays nil.
func from(importance []float32, i int) []float32 {
	if importance == nil {
		return nil
	}
	return importance[i:]
}

// weigh fills weights for a block x of a row: the importance of each column
// times a magnitude that counts large values more, without neglecting those
// below sigma2, the mean square around them.
func weigh(weights, x, importance []float32, sigma2 float32) (sum float32) {
	for i, v := range x {
		w := float32(importance[i] * sqrt(sigma2+float32(v*v)))
		weights[i] = w
		sum += w
	}
	return sum
}
