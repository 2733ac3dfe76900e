//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// ARGS loads the arguments of a codes function: R0 = codes, R1 = scales, R2 = minima, R3 = row, R4 = blocks.
#define ARGS \
	MOVD q+0(FP), R0; \
	MOVD sc+8(FP), R1; \
	MOVD mn+16(FP), R2; \
	MOVD row+24(FP), R3; \
	MOVD nb+32(FP), R4

// Offsets in place of post-indexing and one ADD a pointer keep the next block's addresses from waiting for this one's loads.

// HALF converts the f16 at off(R3) to the f32 at dst.
#define HALF(off, dst) \
	MOVHU  off(R3), R5; \
	FMOVS  R5, F0; \
	FCVTHS F0, F0; \
	FMOVS  F0, (dst); \
	ADD    $4, dst

// NIBBLES: V1, V2 = the low and high nibbles of the 16 bytes at off(R3); V31 = 15.
#define NIBBLES(off) \
	FMOVQ off(R3), F0; \
	VAND  V31.B16, V0.B16, V1.B16; \
	VUSHR $4, V0.B16, V2.B16

// FIFTH: V3, V4 = 16 where bit i, i+16 of the word at off(R3) is set; see fifthTable. V28 = 16.
#define FIFTH(off) \
	FMOVS  off(R3), F0; \
	VTBL   V25.B16, [V0.B16], V3.B16; \
	VTBL   V26.B16, [V0.B16], V4.B16; \
	VCMTST V27.B16, V3.B16, V3.B16; \
	VCMTST V27.B16, V4.B16, V4.B16; \
	VAND   V28.B16, V3.B16, V3.B16; \
	VAND   V28.B16, V4.B16, V4.B16

// NEXT stores the codes V1 and V2 and goes on to the next block.
#define NEXT(bytes) \
	FSTPQ (F1, F2), (R0); \
	ADD   $32, R0; \
	ADD   $bytes, R3; \
	SUBS  $1, R4; \
	BGT   loop

#define FIFTHTABLE \
	MOVD  $·fifthTable(SB), R6; \
	VLD1  (R6), [V25.B16, V26.B16, V27.B16]; \
	VMOVI $16, V28.B16

// func codesQ8_0NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ8_0NEON(SB), 0, $136-40
	ARGS

loop:
	HALF(0, R1)
	FMOVQ 2(R3), F1
	FMOVQ 18(R3), F2
	NEXT(34)
	RET

// func codesQ4_0NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_0NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16
	VMOVI $8, V30.B16

loop:
	HALF(0, R1)
	NIBBLES(2)
	VSUB V30.B16, V1.B16, V1.B16
	VSUB V30.B16, V2.B16, V2.B16
	NEXT(18)
	RET

// func codesQ4_1NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_1NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16

loop:
	HALF(0, R1)
	HALF(2, R2)
	NIBBLES(4)
	NEXT(20)
	RET

// func codesQ5_0NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_0NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16
	FIFTHTABLE

loop:
	HALF(0, R1)
	FIFTH(2)
	NIBBLES(6)
	VORR V3.B16, V1.B16, V1.B16
	VORR V4.B16, V2.B16, V2.B16
	VSUB V28.B16, V1.B16, V1.B16
	VSUB V28.B16, V2.B16, V2.B16
	NEXT(22)
	RET

// func codesQ5_1NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_1NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16
	FIFTHTABLE

loop:
	HALF(0, R1)
	HALF(2, R2)
	FIFTH(4)
	NIBBLES(8)
	VORR V3.B16, V1.B16, V1.B16
	VORR V4.B16, V2.B16, V2.B16
	NEXT(24)
	RET
