// The transpose of 4 x 4, of bytes in a lane and of dwords in a register.
DATA turn<>+0(SB)/8, $0x0d0905010c080400
DATA turn<>+8(SB)/8, $0x0f0b07030e0a0602
GLOBL turn<>(SB), RODATA|NOPTR, $16

// TURNSCALES transposes 16 rows x 16 bytes at R8 to 16 columns x 16 rows in the frame.
#define TURNSCALES \
	VMOVDQU32       (R8), Z24       \
	VMOVDQU32       64(R8), Z25     \
	VMOVDQU32       128(R8), Z26    \
	VMOVDQU32       192(R8), Z27    \
	VBROADCASTI32X4 turn<>(SB), Z20 \
	VPMOVZXBD       turn<>(SB), Z21 \
	VPUNPCKLBW      Z25, Z24, Z16   \
	VPUNPCKHBW      Z25, Z24, Z17   \
	VPUNPCKLBW      Z27, Z26, Z18   \
	VPUNPCKHBW      Z27, Z26, Z19   \
	VPUNPCKLWD      Z18, Z16, Z24   \
	VPUNPCKHWD      Z18, Z16, Z25   \
	VPUNPCKLWD      Z19, Z17, Z26   \
	VPUNPCKHWD      Z19, Z17, Z27   \
	VPERMD          Z24, Z21, Z24   \
	VPERMD          Z25, Z21, Z25   \
	VPERMD          Z26, Z21, Z26   \
	VPERMD          Z27, Z21, Z27   \
	VPSHUFB         Z20, Z24, Z24   \
	VPSHUFB         Z20, Z25, Z25   \
	VPSHUFB         Z20, Z26, Z26   \
	VPSHUFB         Z20, Z27, Z27   \
	VMOVDQU32       Z24, turned-256(SP) \
	VMOVDQU32       Z25, turned-192(SP) \
	VMOVDQU32       Z26, turned-128(SP) \
	VMOVDQU32       Z27, turned-64(SP)
