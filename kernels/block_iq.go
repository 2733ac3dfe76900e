package kernels

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
