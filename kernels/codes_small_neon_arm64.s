//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// Codes of the formats whose nibbles index a table. R0 = codes, R1 = scales, R3 = row, R4 = blocks, V30 = the table,
// V31 = 15.

#define ARGS(values) \
	MOVD  q+0(FP), R0; \
	MOVD  sc+8(FP), R1; \
	MOVD  row+24(FP), R3; \
	MOVD  nb+32(FP), R4; \
	MOVD  $values(SB), R5; \
	VLD1  (R5), [V30.B16]; \
	VMOVI $15, V31.B16

// LOOKUP stores the codes of the 16 bytes at off(R3).
#define LOOKUP(off) \
	FMOVQ off(R3), F0; \
	VUSHR $4, V0.B16, V2.B16; \
	VAND  V31.B16, V0.B16, V1.B16; \
	VTBL  V1.B16, [V30.B16], V1.B16; \
	VTBL  V2.B16, [V30.B16], V2.B16; \
	FSTPQ (F1, F2), (R0); \
	ADD   $32, R0

#define NEXT(bytes) \
	ADD  $bytes, R3; \
	SUBS $1, R4; \
	BGT  loop; \
	RET

// func codesIQ4_NLNEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesIQ4_NLNEON(SB), 0, $136-40
	ARGS(·IQ4Values)

loop:
	MOVHU   (R3), R5
	FMOVS   R5, F0
	FCVTHS  F0, F0
	FMOVS.P F0, 4(R1)
	LOOKUP(2)
	NEXT(18)

// func codesMXFP4NEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesMXFP4NEON(SB), 0, $136-40
	ARGS(·FP4Values)
	MOVD $·HalfE8M0(SB), R6

loop:
	MOVBU  (R3), R5
	MOVWU  (R6)(R5<<2), R5
	MOVW.P R5, 4(R1)
	LOOKUP(1)
	NEXT(17)

// The bytes of scales_h (the third and fourth of a block) that hold the upper bits of each scale, and the way to bits 4 and 5.
DATA upper<>+0(SB)/8, $0x0303030302020202
DATA upper<>+8(SB)/8, $0x0303030302020202
DATA upper<>+16(SB)/8, $0xfe000204fe000204
DATA upper<>+24(SB)/8, $0xfe000204fe000204
GLOBL upper<>(SB), RODATA|NOPTR, $32

// func codesIQ4_XSNEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesIQ4_XSNEON(SB), 0, $136-40
	ARGS(·IQ4Values)
	MOVD  $upper<>(SB), R5
	VLD1  (R5), [V28.B16, V29.B16]
	VMOVI $0x30, V27.B16
	VMOVI $32, V26.B16

loop:
	FMOVD (R3), F0 // d, scales_h, scales_l
	VDUP  V0.S[1], V1.S4
	VUSHR $4, V1.B16, V2.B16
	VZIP1 V2.B16, V1.B16, V1.B16
	VAND  V31.B16, V1.B16, V1.B16
	VTBL  V28.B16, [V0.B16], V2.B16
	USHL16B(29, 2, 2)
	VAND  V27.B16, V2.B16, V2.B16
	VORR  V2.B16, V1.B16, V1.B16
	VSUB  V26.B16, V1.B16, V1.B16
	FCVTHS F0, F6
	SXTL8H(1, 1)
	SXTL4S(1, 0)
	SXTL24S(1, 1)
	SCVTF4S(0, 0)
	SCVTF4S(1, 1)
	FMULE4S(0, 6, 0, 0)
	FMULE4S(0, 6, 1, 1)
	VST1.P [V0.S4, V1.S4], 32(R1)
	LOOKUP(8)
	LOOKUP(24)
	LOOKUP(40)
	LOOKUP(56)
	LOOKUP(72)
	LOOKUP(88)
	LOOKUP(104)
	LOOKUP(120)
	NEXT(136)
