//go:build !purego

#include "textflag.h"

// func transposeRows128(dst *float32, ldd int, src *float32, lds int, quads int)
TEXT ·transposeRows128(SB), 0, $136-40
	MOVD dst+0(FP), R0
	MOVD ldd+8(FP), R1
	MOVD src+16(FP), R2
	MOVD lds+24(FP), R6
	MOVD quads+32(FP), R7
	ADD  R6, R2, R3
	ADD  R6, R3, R4
	ADD  R6, R4, R5

	// invariant: the columns before R2 are rows before R0, R7 > 0 quads of columns are left
loop:
	VLD1.P 16(R2), [V0.S4]
	VLD1.P 16(R3), [V1.S4]
	VLD1.P 16(R4), [V2.S4]
	VLD1.P 16(R5), [V3.S4]
	VZIP1  V2.S4, V0.S4, V4.S4 // 00 20 01 21
	VZIP2  V2.S4, V0.S4, V5.S4 // 02 22 03 23
	VZIP1  V3.S4, V1.S4, V6.S4
	VZIP2  V3.S4, V1.S4, V7.S4
	VZIP1  V6.S4, V4.S4, V0.S4 // 00 10 20 30
	VZIP2  V6.S4, V4.S4, V1.S4
	VZIP1  V7.S4, V5.S4, V2.S4
	VZIP2  V7.S4, V5.S4, V3.S4
	VST1   [V0.S4], (R0)
	ADD    R1, R0
	VST1   [V1.S4], (R0)
	ADD    R1, R0
	VST1   [V2.S4], (R0)
	ADD    R1, R0
	VST1   [V3.S4], (R0)
	ADD    R1, R0
	SUBS   $1, R7
	BGT    loop
	RET
