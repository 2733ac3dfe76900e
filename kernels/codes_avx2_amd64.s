//go:build !purego

#include "textflag.h"
#include "unpack_avx2_amd64.h"

// Each function decodes CX blocks of 32 from SI: codes to DI, scales to R8, minima to R9; what lies before is done.
#define BEGIN \
	MOVQ q+0(FP), DI   \
	MOVQ sc+8(FP), R8  \
	MOVQ mn+16(FP), R9 \
	MOVQ row+24(FP), SI \
	MOVQ nb+32(FP), CX

// SCALE converts the f16 at SI.
#define SCALE \
	MOVWLZX   (SI), AX \
	VMOVD     AX, X0   \
	VCVTPH2PS X0, X0   \
	VMOVSS    X0, (R8)

// SCALE_MIN converts the two f16 at SI.
#define SCALE_MIN \
	VMOVD      (SI), X0    \
	VCVTPH2PS  X0, X0      \
	VMOVSS     X0, (R8)    \
	VEXTRACTPS $1, X0, (R9)

#define NEXT(bytes) \
	VMOVDQU Y1, (DI) \
	ADDQ $bytes, SI \
	ADDQ $32, DI    \
	ADDQ $4, R8     \
	ADDQ $4, R9     \
	DECQ CX

// func codesQ8_0AVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ8_0AVX2(SB), 0, $136-40
	BEGIN
loop:
	SCALE
	VMOVDQU 2(SI), Y1
	NEXT(34)
	JNZ  loop
	VZEROUPPER
	RET

// func codesQ4_0AVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_0AVX2(SB), 0, $136-40
	BEGIN
	NIBBLE_CONSTANTS
	BYTES(8, X10, Y10)
loop:
	SCALE
	NIBBLES(2(SI), Y1)
	VPSUBB Y10, Y1, Y1
	NEXT(18)
	JNZ  loop
	VZEROUPPER
	RET

// func codesQ4_1AVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_1AVX2(SB), 0, $136-40
	BEGIN
	NIBBLE_CONSTANTS
loop:
	SCALE_MIN
	NIBBLES(4(SI), Y1)
	NEXT(20)
	JNZ  loop
	VZEROUPPER
	RET

// func codesQ5_0AVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_0AVX2(SB), 0, $136-40
	BEGIN
	NIBBLE_CONSTANTS
	BIT_CONSTANTS
loop:
	SCALE
	NIBBLES(6(SI), Y1)
	FIFTH_BITS(2(SI), Y1, Y2)
	VPSUBB Y11, Y1, Y1
	NEXT(22)
	JNZ  loop
	VZEROUPPER
	RET

// func codesQ5_1AVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_1AVX2(SB), 0, $136-40
	BEGIN
	NIBBLE_CONSTANTS
	BIT_CONSTANTS
loop:
	SCALE_MIN
	NIBBLES(8(SI), Y1)
	FIFTH_BITS(4(SI), Y1, Y2)
	NEXT(24)
	JNZ  loop
	VZEROUPPER
	RET
