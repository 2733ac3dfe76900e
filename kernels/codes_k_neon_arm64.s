//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

#define ARGS \
	MOVD q+0(FP), R0; \
	MOVD sc+8(FP), R1; \
	MOVD mn+16(FP), R2; \
	MOVD row+24(FP), R3; \
	MOVD nb+32(FP), R4

// SCALED8 stores the eight unsigned bytes lo, hi times F0 at dst, which steps on.
#define SCALED8(lo, hi, dst) \
	ORR    hi<<32, lo, lo; \
	FMOVD  lo, F2; \
	VUXTL  V2.B8, V2.H8; \
	VUXTL  V2.H4, V3.S4; \
	VUXTL2 V2.H8, V4.S4; \
	SCVTF4S(3, 3); \
	SCVTF4S(4, 4); \
	FMULE4S(0, 0, 3, 3); \
	FMULE4S(0, 0, 4, 4); \
	VST1.P [V3.S4, V4.S4], 32(dst)

// SCALEMIN stores the scales and minima of the block of Q4_K or Q5_K at R3, which steps over them; see ScaleMin.
#define SCALEMIN \
	MOVWU 4(R3), R5; \
	MOVWU 8(R3), R6; \
	MOVWU 12(R3), R7; \
	AND   $0xc0c0c0c0, R5, R8; \
	AND   $0x0f0f0f0f, R7, R9; \
	ORR   R8>>2, R9, R9; \
	AND   $0x3f3f3f3f, R5, R5; \
	AND   $0xc0c0c0c0, R6, R8; \
	AND   $0xf0f0f0f0, R7, R10; \
	LSR   $4, R10, R10; \
	ORR   R8>>2, R10, R10; \
	AND   $0x3f3f3f3f, R6, R6; \
	MOVHU (R3), R7; \
	FMOVS R7, F0; \
	FCVTHS F0, F0; \
	SCALED8(R5, R9, R1); \
	MOVHU 2(R3), R7; \
	FMOVS R7, F0; \
	FCVTHS F0, F0; \
	FNEGS F0, F0; \
	SCALED8(R6, R10, R2); \
	ADD   $16, R3

// func codesQ4_KNEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_KNEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16

loop:
	SCALEMIN
	MOVD $4, R5

	// two groups: the low and the high nibbles of 32 bytes
pair:
	VLD1.P 32(R3), [V0.B16, V1.B16]
	VAND   V31.B16, V0.B16, V2.B16
	VAND   V31.B16, V1.B16, V3.B16
	VUSHR  $4, V0.B16, V4.B16
	VUSHR  $4, V1.B16, V5.B16
	VST1.P [V2.B16, V3.B16, V4.B16, V5.B16], 64(R0)
	SUBS   $1, R5
	BGT    pair
	SUBS   $1, R4
	BGT    loop
	RET

// func codesQ5_KNEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_KNEON(SB), 0, $136-40
	ARGS
	VMOVI $15, V31.B16
	VMOVI $16, V30.B16

loop:
	SCALEMIN
	VLD1.P 32(R3), [V6.B16, V7.B16]
	MOVD   $4, R5

	// as above; the fifth bits are the lowest two of V6, V7
pair:
	VLD1.P 32(R3), [V0.B16, V1.B16]
	VAND   V31.B16, V0.B16, V2.B16
	VAND   V31.B16, V1.B16, V3.B16
	VUSHR  $4, V0.B16, V4.B16
	VUSHR  $4, V1.B16, V5.B16
	VSHL   $4, V6.B16, V16.B16
	VSHL   $4, V7.B16, V17.B16
	VSHL   $3, V6.B16, V18.B16
	VSHL   $3, V7.B16, V19.B16
	VAND   V30.B16, V16.B16, V16.B16
	VAND   V30.B16, V17.B16, V17.B16
	VAND   V30.B16, V18.B16, V18.B16
	VAND   V30.B16, V19.B16, V19.B16
	VORR   V16.B16, V2.B16, V2.B16
	VORR   V17.B16, V3.B16, V3.B16
	VORR   V18.B16, V4.B16, V4.B16
	VORR   V19.B16, V5.B16, V5.B16
	VUSHR  $2, V6.B16, V6.B16
	VUSHR  $2, V7.B16, V7.B16
	VST1.P [V2.B16, V3.B16, V4.B16, V5.B16], 64(R0)
	SUBS   $1, R5
	BGT    pair
	SUBS   $1, R4
	BGT    loop
	RET
