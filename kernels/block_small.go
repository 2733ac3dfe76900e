package kernels

// Layouts of the one- and two-bit formats: sizes and offsets in bytes.
// Drawings and meaning: package quant.
const (
	TQ1_0Bytes   = 54 // qs 48, qh 4, d 2; 256 values
	TQ1_0OffsetD = 52

	TQ2_0Bytes   = 66 // qs 64, d 2; 256 values
	TQ2_0OffsetD = 64

	Q1_0Bytes   = 18 // d 2, qs 16; 128 values
	Q1_0OffsetD = 0
	Q1_0OffsetQ = 2

	Q2_0Bytes   = 18 // d 2, qs 16; 64 values
	Q2_0OffsetD = 0
	Q2_0OffsetQ = 2
)
