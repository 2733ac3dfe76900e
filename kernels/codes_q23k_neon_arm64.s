//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// Codes of Q2_K and Q3_K. R0 = codes, R1 = scales, R2 = minima, R3 = block, R4 = blocks left, V31 = 3.

// SCALES stores V6[0] times the 16 bytes of V0, signed.
#define SCALES(to) \
	SXTL8H(0, 1); \
	SXTL28H(0, 3); \
	SXTL4S(1, 0); \
	SXTL24S(1, 1); \
	SXTL4S(3, 2); \
	SXTL24S(3, 3); \
	SCVTF4S(0, 0); \
	SCVTF4S(1, 1); \
	SCVTF4S(2, 2); \
	SCVTF4S(3, 3); \
	FMULE4S(0, 6, 0, 0); \
	FMULE4S(0, 6, 1, 1); \
	FMULE4S(0, 6, 2, 2); \
	FMULE4S(0, 6, 3, 3); \
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(to)

// RUN2 stores the lowest two bits of each byte of V0 and V1 and shifts them out.
#define RUN2 \
	VAND   V31.B16, V0.B16, V2.B16; \
	VAND   V31.B16, V1.B16, V3.B16; \
	VUSHR  $2, V0.B16, V0.B16; \
	VUSHR  $2, V1.B16, V1.B16; \
	VST1.P [V2.B16, V3.B16], 32(R0)

#define HALF2 \
	VLD1.P 32(R5), [V0.B16, V1.B16]; \
	RUN2; \
	RUN2; \
	RUN2; \
	RUN2

// func codesQ2_KNEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ2_KNEON(SB), 0, $136-40
	MOVD  q+0(FP), R0
	MOVD  sc+8(FP), R1
	MOVD  mn+16(FP), R2
	MOVD  row+24(FP), R3
	MOVD  nb+32(FP), R4
	VMOVI $3, V31.B16
	VMOVI $15, V30.B16

loop:
	FMOVQ  (R3), F4
	MOVHU  80(R3), R6
	MOVHU  82(R3), R7
	FMOVS  R6, F6
	FMOVS  R7, F7
	FCVTHS F6, F6
	FCVTHS F7, F7
	FNEGS  F7, F7
	VAND   V30.B16, V4.B16, V0.B16
	VUSHR  $4, V4.B16, V4.B16
	SCALES(R1)
	VORR   V4.B16, V4.B16, V0.B16
	FMOVS  F7, F6
	SCALES(R2)
	ADD    $16, R3, R5
	HALF2
	HALF2
	ADD    $84, R3
	SUBS   $1, R4
	BGT    loop
	RET

// RUN3 stores the lowest two bits of V0 and V1 with bit 2 of a and b, less 4, and shifts the former out; V30 = 4.
#define RUN3(a, b) \
	VAND   V31.B16, V0.B16, V2.B16; \
	VAND   V31.B16, V1.B16, V3.B16; \
	VAND   V30.B16, a.B16, V16.B16; \
	VAND   V30.B16, b.B16, V17.B16; \
	VUSHR  $2, V0.B16, V0.B16; \
	VUSHR  $2, V1.B16, V1.B16; \
	VORR   V16.B16, V2.B16, V2.B16; \
	VORR   V17.B16, V3.B16, V3.B16; \
	VSUB   V30.B16, V2.B16, V2.B16; \
	VSUB   V30.B16, V3.B16, V3.B16; \
	VST1.P [V2.B16, V3.B16], 32(R0)

// STEP shifts the third bits on after RUN3.
#define STEP \
	VUSHR $1, V4.B16, V4.B16; \
	VUSHR $1, V5.B16, V5.B16; \
	RUN3(V4, V5)

// The ways of the upper bits of scales 0-3, 4-7, 8-11, 12-15 to bits 4 and 5.
DATA ways<>+0(SB)/8, $0x0202020204040404
DATA ways<>+8(SB)/8, $0xfefefefe00000000
GLOBL ways<>(SB), RODATA|NOPTR, $16

// func codesQ3_KNEON(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ3_KNEON(SB), 0, $136-40
	MOVD  q+0(FP), R0
	MOVD  sc+8(FP), R1
	MOVD  row+24(FP), R3
	MOVD  nb+32(FP), R4
	MOVD  $ways<>(SB), R6
	VLD1  (R6), [V26.B16]
	VMOVI $3, V31.B16
	VMOVI $4, V30.B16
	VMOVI $15, V29.B16
	VMOVI $0x30, V28.B16
	VMOVI $32, V27.B16

loop:
	FMOVD  96(R3), F0
	FMOVS  104(R3), F1
	MOVHU  108(R3), R6
	FMOVS  R6, F6
	FCVTHS F6, F6
	VUSHR  $4, V0.B16, V2.B16
	VDUP   V1.S[0], V1.S4
	VZIP1  V2.D2, V0.D2, V0.D2
	USHL16B(26, 1, 1)
	VAND   V29.B16, V0.B16, V0.B16
	VAND   V28.B16, V1.B16, V1.B16
	VORR   V1.B16, V0.B16, V0.B16
	VSUB   V27.B16, V0.B16, V0.B16
	SCALES(R1)
	VLD1   (R3), [V4.B16, V5.B16]
	ADD    $32, R3, R5
	VLD1.P 32(R5), [V0.B16, V1.B16]
	VSHL   $2, V4.B16, V6.B16
	VSHL   $2, V5.B16, V7.B16
	RUN3(V6, V7)
	VSHL   $1, V4.B16, V6.B16
	VSHL   $1, V5.B16, V7.B16
	RUN3(V6, V7)
	RUN3(V4, V5)
	STEP
	VLD1.P 32(R5), [V0.B16, V1.B16]
	STEP
	STEP
	STEP
	STEP
	ADD    $110, R3
	SUBS   $1, R4
	BGT    loop
	RET
