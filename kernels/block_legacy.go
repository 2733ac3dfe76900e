package kernels

// Layouts of the formats with 32 values a block: sizes in bytes, offsets from
// the start of a block. All multi-byte fields are little-endian; scales are
// F16. Codes of the 4- and 5-bit formats lie in two halves: byte i holds value
// i in its low and value i+16 in its high nibble; bit i of QH is the fifth bit
// of value i. Drawings and meaning: package quant, one file a format.
const (
	Block32 = 32 // values a block

	Q4_0Bytes   = 18 // d 2, qs 16
	Q4_0OffsetD = 0
	Q4_0OffsetQ = 2

	Q4_1Bytes   = 20 // d 2, m 2, qs 16
	Q4_1OffsetD = 0
	Q4_1OffsetM = 2
	Q4_1OffsetQ = 4

	Q5_0Bytes    = 22 // d 2, qh 4, qs 16
	Q5_0OffsetD  = 0
	Q5_0OffsetQH = 2
	Q5_0OffsetQ  = 6

	Q5_1Bytes    = 24 // d 2, m 2, qh 4, qs 16
	Q5_1OffsetD  = 0
	Q5_1OffsetM  = 2
	Q5_1OffsetQH = 4
	Q5_1OffsetQ  = 8

	Q8_0Bytes   = 34 // d 2, qs 32 (int8)
	Q8_0OffsetD = 0
	Q8_0OffsetQ = 2
)
