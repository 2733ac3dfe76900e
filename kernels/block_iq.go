package kernels

import "math"

// Layouts of the formats whose codes index a table: sizes and offsets in bytes.
// Drawings and meaning: package quant, one file a format.
const (
	IQ4_NLBytes   = 18 // d 2, qs 16
	IQ4_NLOffsetD = 0
	IQ4_NLOffsetQ = 2

	IQ4_XSBytes    = 136 // d 2, scales_h 2, scales_l 4, qs 128
	IQ4_XSOffsetD  = 0
	IQ4_XSOffsetSH = 2
	IQ4_XSOffsetSL = 4
	IQ4_XSOffsetQ  = 8

	MXFP4Bytes   = 17 // e 1, qs 16
	MXFP4OffsetE = 0
	MXFP4OffsetQ = 1

	NVFP4Bytes   = 36 // d 4, qs 32
	NVFP4OffsetD = 0
	NVFP4OffsetQ = 4

	IQ2_XXSBytes = 66  // d 2, qs 64
	IQ2_XSBytes  = 74  // d 2, qs 64, scales 8
	IQ2_SBytes   = 82  // d 2, qs 32, signs 32, qh 8, scales 8
	IQ3_XXSBytes = 98  // d 2, qs 64, scales and signs 32
	IQ3_SBytes   = 110 // d 2, qs 64, qh 8, signs 32, scales 4
	IQ1_SBytes   = 50  // d 2, qs 32, qh 16
	IQ1_MBytes   = 56  // qs 32, qh 16, scales 8
)

// IQ4Values are the 16 levels of IQ4_NL and IQ4_XS, denser near zero.
var IQ4Values = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// FP4Values are the E2M1 floats (1 sign, 2 exponent, 1 fraction bit) times two, which makes them whole.
var FP4Values = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// HalfE8M0 is 2^(e-128), half of what the byte e means as a scale of MXFP4; the first two are subnormal.
var HalfE8M0 = func() (t [256]float32) {
	for e := range t {
		t[e] = math.Float32frombits(uint32(max(e-1, 0)) << 23)
	}
	t[0], t[1] = math.Float32frombits(1<<21), math.Float32frombits(1<<22)
	return t
}()

// ScaleIQ4_XS gives the signed scale of group g (0..7, 32 values each) from scales_h and scales_l.
func ScaleIQ4_XS(sh uint16, sl []byte, g int) int {
	return int(sl[g/2]>>(g%2*4)&15|byte(sh>>(2*g)&3<<4)) - 32
}
