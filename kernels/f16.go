package kernels

import "math"

// Scalar conversions between f32 and the two 16-bit floats. They are exact where
// the target can hold the value, else round to nearest, ties to even; NaNs stay
// NaNs and become quiet, as the hardware's instructions make them.

// F16ToF32 converts an IEEE 754 half (1 sign, 5 exponent, 10 fraction bits).
func F16ToF32(h uint16) float32 {
	// Shifted into place the exponent is too small by 127-15; the product mends
	// that exactly and makes normals of subnormals.
	b := math.Float32bits(math.Float32frombits(uint32(h&0x7fff)<<13) * 0x1p112)
	if b >= 0x47800000 { // 2^16: the largest exponent, infinity or NaN
		b |= 0x7f800000
		if b != 0x7f800000 {
			b |= 1 << 22
		}
	}
	return math.Float32frombits(b | uint32(h&0x8000)<<16)
}

// F32ToF16 rounds to an IEEE 754 half; magnitudes of 65520 and more become infinite.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(b>>13)&0x03ff
	case b >= 0x477ff000: // 65520
		return sign | 0x7c00
	case b >= 0x38800000: // 2^-14, the smallest normal half
		b += 0xfff + b>>13&1
		return sign | uint16((b-(127-15)<<23)>>13)
	default:
		// A subnormal half counts units of 2^-24, which is the last place of a
		// float32 in [0.5, 1): the addition rounds as wanted.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
}

// BF16ToF32 converts a bfloat16, the upper half of an f32.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to a bfloat16.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 { // NaN: rounding could carry it to infinity
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
