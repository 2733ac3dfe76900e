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

// HALF converts the f16 at R3 to the f32 at dst; both step on.
#define HALF(dst) \
	MOVHU.P 2(R3), R5; \
	FMOVS   R5, F0; \
	FCVTHS  F0, F0; \
	FMOVS.P F0, 4(dst)

// NIBBLES: V1, V2 = the low and high nibbles of the 16 bytes at R3, which steps on; V31 = 15.
#define NIBBLES \
	VLD1.P 16(R3), [V0.B16]; \
	VAND   V31.B16, V0.B16, V1.B16; \
	VUSHR  $4, V0.B16, V2.B16

// FIFTH: V3, V4 = 16 where bit i, i+16 of the word at R3 is set, which steps on; see fifthTable. V28 = 16.
#define FIFTH \
	MOVWU.P 4(R3), R5; \
	FMOVS   R5, F0; \
	VTBL    V25.B16, [V0.B16], V3.B16; \
	VTBL    V26.B16, [V0.B16], V4.B16; \
	VCMTST  V27.B16, V3.B16, V3.B16; \
	VCMTST  V27.B16, V4.B16, V4.B16; \
	VAND    V28.B16, V3.B16, V3.B16; \
	VAND    V28.B16, V4.B16, V4.B16

#define FIFTHTABLE \
	MOVD  $·fifthTable(SB), R6; \
	VLD1  (R6), [V25.B16, V26.B16, V27.B16]; \
	VMOVI $16, V28.B16

// func codesQ8_0NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ8_0NEON(SB), 0, $136-40
	ARGS

loop:
	HALF(R1)
	VLD1.P 32(R3), [V0.B16, V1.B16]
	VST1.P [V0.B16, V1.B16], 32(R0)
	SUBS   $1, R4
	BGT    loop
	RET

// func codesQ4_0NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_0NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16
	VMOVI $8, V30.B16

loop:
	HALF(R1)
	NIBBLES
	VSUB   V30.B16, V1.B16, V1.B16
	VSUB   V30.B16, V2.B16, V2.B16
	VST1.P [V1.B16, V2.B16], 32(R0)
	SUBS   $1, R4
	BGT    loop
	RET

// func codesQ4_1NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_1NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16

loop:
	HALF(R1)
	HALF(R2)
	NIBBLES
	VST1.P [V1.B16, V2.B16], 32(R0)
	SUBS   $1, R4
	BGT    loop
	RET

// func codesQ5_0NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_0NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16
	FIFTHTABLE

loop:
	HALF(R1)
	FIFTH
	NIBBLES
	VORR   V3.B16, V1.B16, V1.B16
	VORR   V4.B16, V2.B16, V2.B16
	VSUB   V28.B16, V1.B16, V1.B16
	VSUB   V28.B16, V2.B16, V2.B16
	VST1.P [V1.B16, V2.B16], 32(R0)
	SUBS   $1, R4
	BGT    loop
	RET

// func codesQ5_1NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_1NEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16
	FIFTHTABLE

loop:
	HALF(R1)
	HALF(R2)
	FIFTH
	NIBBLES
	VORR   V3.B16, V1.B16, V1.B16
	VORR   V4.B16, V2.B16, V2.B16
	VST1.P [V1.B16, V2.B16], 32(R0)
	SUBS   $1, R4
	BGT    loop
	RET
