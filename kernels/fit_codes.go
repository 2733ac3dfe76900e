package kernels

import "math"

// roundCodes writes clamp(round((x + low) / scale), least, most) - least for the groups whose scale is not 0; the codes of the
// others stay. Halves are rounded to even. x and codes are [n, FitLanes].
func roundCodes(codes []uint8, x []float32, low, scale *[FitLanes]float32, least, most int) {
	for i, v := range x {
		if g := i % FitLanes; scale[g] != 0 {
			codes[i] = uint8(max(least, min(most, rounded((v+low[g])/scale[g]))) - least)
		}
	}
}

// rounded rounds halves to even by the last place of a sum. Right for magnitudes below 2^22; defined, but meaningless, beyond.
func rounded(v float32) int {
	// The conversion keeps a product in the caller from being fused with the sum.
	return int(math.Float32bits(float32(v)+fitMagic)&0x7fffff) - 0x400000
}

// peakCodes gives each block of 32 values its scale d = peak/div, peak being the value of largest magnitude (the first of
// equals), and the codes min(most, x/d + bias), cut to whole numbers.
func peakCodes(codes []uint8, d, x []float32, div, bias float32, most int8) {
	for b := range d {
		xb := x[32*b : 32*b+32]
		d[b] = extreme(xb) / div
		id := inverse(d[b])
		for i, v := range xb {
			codes[32*b+i] = uint8(min(most, cut(float32(v*id)+bias)))
		}
	}
}

// peakCodes8 gives each block of 32 values its scale d = max|x|/127 and the codes x/d, halves away from zero.
func peakCodes8(codes []uint8, d, x []float32) {
	for b := range d {
		xb := x[32*b : 32*b+32]
		d[b] = magnitude(extreme(xb)) / 127
		id := inverse(d[b])
		for i, v := range xb {
			// Just less than a half, or the sum would round 0.49999997 up to 1.
			s := float32(v * id)
			codes[32*b+i] = uint8(cut(s + float32(math.Copysign(0x1.fffffep-2, float64(s)))))
		}
	}
}

// spanCodes gives each block of 32 values its least m, the step d = (greatest - m)/most and the codes (x - m)/d, halves up.
func spanCodes(codes []uint8, d, m, x []float32, most int8) {
	for b := range d {
		xb := x[32*b : 32*b+32]
		low, high := xb[0], xb[0]
		for _, v := range xb {
			if v < low {
				low = v
			}
			if v > high {
				high = v
			}
		}
		d[b], m[b] = (high-low)/float32(most), low
		id := inverse(d[b])
		for i, v := range xb {
			codes[32*b+i] = uint8(min(most, cut(float32((v-low)*id)+0.5)))
		}
	}
}

// inverse is 1/d, and 0 for 0.
func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

// cut is C's cast to a byte: towards zero, the low byte; 0 for what an int32 cannot hold.
func cut(v float32) int8 {
	if v >= -1<<31 && v < 1<<31 {
		return int8(int32(v))
	}
	return 0
}
