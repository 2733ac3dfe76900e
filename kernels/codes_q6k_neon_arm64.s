//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// CODES stores 32 codes: low nibbles in a, b, bits 4 and 5 in c, d among others; V30 = 0x30, V29 = 32.
#define CODES(a, b, c, d) \
	VAND   V30.B16, c.B16, c.B16; \
	VAND   V30.B16, d.B16, d.B16; \
	VORR   c.B16, a.B16, a.B16; \
	VORR   d.B16, b.B16, b.B16; \
	VSUB   V29.B16, a.B16, a.B16; \
	VSUB   V29.B16, b.B16, b.B16; \
	VST1.P [a.B16, b.B16], 32(R0)

// func codesQ6_KNEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ6_KNEON(SB), 0, $136-40
	MOVD  q+0(FP), R0
	MOVD  sc+8(FP), R1
	MOVD  row+24(FP), R3
	MOVD  nb+32(FP), R4
	VMOVI $15, V31.B16
	VMOVI $0x30, V30.B16
	VMOVI $32, V29.B16

loop:
	ADD  $128, R3, R6
	MOVD $2, R5

	// a half: 128 codes of 64 bytes at R3 and 32 at R6
half:
	VLD1.P 64(R3), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 32(R6), [V4.B16, V5.B16]
	VAND   V31.B16, V0.B16, V16.B16
	VAND   V31.B16, V1.B16, V17.B16
	VSHL   $4, V4.B16, V18.B16
	VSHL   $4, V5.B16, V19.B16
	CODES(V16, V17, V18, V19)
	VAND   V31.B16, V2.B16, V16.B16
	VAND   V31.B16, V3.B16, V17.B16
	VSHL   $2, V4.B16, V18.B16
	VSHL   $2, V5.B16, V19.B16
	CODES(V16, V17, V18, V19)
	VUSHR  $2, V4.B16, V18.B16
	VUSHR  $2, V5.B16, V19.B16
	VUSHR  $4, V0.B16, V16.B16
	VUSHR  $4, V1.B16, V17.B16
	CODES(V16, V17, V4, V5)
	VUSHR  $4, V2.B16, V16.B16
	VUSHR  $4, V3.B16, V17.B16
	CODES(V16, V17, V18, V19)
	SUBS   $1, R5
	BGT    half

	// 16 scales, then d
	VLD1   (R6), [V0.B16]
	MOVHU  16(R6), R7
	FMOVS  R7, F6
	FCVTHS F6, F6
	SXTL8H(0, 1)
	SXTL28H(0, 3)
	SXTL4S(1, 0)
	SXTL24S(1, 1)
	SXTL4S(3, 2)
	SXTL24S(3, 3)
	SCVTF4S(0, 0)
	SCVTF4S(1, 1)
	SCVTF4S(2, 2)
	SCVTF4S(3, 3)
	FMULE4S(0, 6, 0, 0)
	FMULE4S(0, 6, 1, 1)
	FMULE4S(0, 6, 2, 2)
	FMULE4S(0, 6, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R1)
	ADD    $18, R6, R3
	SUBS   $1, R4
	BGT    loop
	RET
