package kernels

// Layouts of the K formats: super-blocks of 256 values. Sizes in bytes, offsets
// from the start of a block; scales d and dmin are F16, little-endian. Drawings
// and meaning: package quant, one file a format.
const (
	Block256 = 256 // values a block

	Q4_KBytes        = 144 // d 2, dmin 2, scales 12, qs 128
	Q4_KOffsetD      = 0
	Q4_KOffsetDMin   = 2
	Q4_KOffsetScales = 4 // eight 6-bit scales and eight 6-bit minimums, see ScaleMin
	Q4_KOffsetQ      = 16

	Q5_KBytes        = 176 // d 2, dmin 2, scales 12, qh 32, qs 128
	Q5_KOffsetD      = 0
	Q5_KOffsetDMin   = 2
	Q5_KOffsetScales = 4 // as in Q4_K
	Q5_KOffsetQH     = 16
	Q5_KOffsetQ      = 48

	Q6_KBytes        = 210 // ql 128, qh 64, scales 16 (int8), d 2
	Q6_KOffsetQ      = 0
	Q6_KOffsetQH     = 128
	Q6_KOffsetScales = 192
	Q6_KOffsetD      = 208
)

// ScaleMin gives the 6-bit scale and minimum of group g (0..7, 32 values each)
// from the 12 packed bytes of Q4_K and Q5_K.
//
//	byte 0-3:  sc[0..3] in bits 0-5, top two bits of sc[4..7] in bits 6-7
//	byte 4-7:  mn[0..3] in bits 0-5, top two bits of mn[4..7] in bits 6-7
//	byte 8-11: low nibble of sc[4..7], low nibble of mn[4..7] above it
func ScaleMin(scales []byte, g int) (sc, mn uint8) {
	if g < 4 {
		return scales[g] & 63, scales[g+4] & 63
	}
	return scales[g+4]&15 | scales[g-4]>>6<<4, scales[g+4]>>4 | scales[g]>>6<<4
}

// Q2_K and Q3_K: groups of 16 values.
const (
	Q2_KBytes        = 84 // scales 16, qs 64, d 2, dmin 2
	Q2_KOffsetScales = 0
	Q2_KOffsetQ      = 16
	Q2_KOffsetD      = 80
	Q2_KOffsetDMin   = 82

	Q3_KBytes        = 110 // hmask 32, qs 64, scales 12, d 2
	Q3_KOffsetHigh   = 0
	Q3_KOffsetQ      = 32
	Q3_KOffsetScales = 96
	Q3_KOffsetD      = 108
)

// ScaleQ3_K gives the signed 6-bit scale of group g (0..15) from the 12 packed bytes of Q3_K.
//
//	byte 0-7:  low nibble of sc[0..7], low nibble of sc[8..15] above it
//	byte 8-11: bits 4-5 of sc[i], sc[i+4], sc[i+8], sc[i+12] upwards in byte 8+i
func ScaleQ3_K(scales []byte, g int) int {
	low := scales[g%8] >> (g / 8 * 4) & 15
	return int(low|scales[8+g%4]>>(g/4*2)&3<<4) - 32
}
