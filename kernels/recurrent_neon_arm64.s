//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func mulAdd128(dst, x, y *float32, n int)
TEXT ·mulAdd128(SB), 0, $136-32
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD y+16(FP), R2
	MOVD n+24(FP), R3

	// invariant: the elements before R0 are done, R3 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	VLD1.P 16(R2), [V2.S4]
	FMLA4S(2, 1, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R3
	BGT    loop
	RET

// func scan16x128(y, s, decay, x, b, c *float32, n, lds, ldd int)
TEXT ·scan16x128(SB), 0, $136-72
	MOVD y+0(FP), R0
	MOVD s+8(FP), R1
	MOVD decay+16(FP), R2
	MOVD x+24(FP), R3
	MOVD b+32(FP), R4
	MOVD c+40(FP), R5
	MOVD n+48(FP), R6
	MOVD lds+56(FP), R7
	MOVD ldd+64(FP), R8
	LSL  $2, R7, R7
	LSL  $2, R8, R8
	VLD1 (R3), [V4.S4, V5.S4, V6.S4, V7.S4]
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

	// invariant: the values before R1 are done, R6 > 0 are left; V0-V3 hold the sums over those done
loop:
	FMOVS.P 4(R4), F16
	FMOVS.P 4(R5), F17
	VLD1    (R1), [V20.S4, V21.S4, V22.S4, V23.S4]
	VLD1    (R2), [V24.S4, V25.S4, V26.S4, V27.S4]
	FMUL4S(24, 20, 20)
	FMUL4S(25, 21, 21)
	FMUL4S(26, 22, 22)
	FMUL4S(27, 23, 23)
	FMLAE4S(0, 16, 4, 20)
	FMLAE4S(0, 16, 5, 21)
	FMLAE4S(0, 16, 6, 22)
	FMLAE4S(0, 16, 7, 23)
	VST1    [V20.S4, V21.S4, V22.S4, V23.S4], (R1)
	FMLAE4S(0, 17, 20, 0)
	FMLAE4S(0, 17, 21, 1)
	FMLAE4S(0, 17, 22, 2)
	FMLAE4S(0, 17, 23, 3)
	ADD     R7, R1
	ADD     R8, R2
	SUBS    $1, R6
	BGT     loop
	VST1    [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET

// func scan4x128(y, s, decay, x, b, c *float32, n, lds, ldd int)
TEXT ·scan4x128(SB), 0, $136-72
	MOVD y+0(FP), R0
	MOVD s+8(FP), R1
	MOVD decay+16(FP), R2
	MOVD x+24(FP), R3
	MOVD b+32(FP), R4
	MOVD c+40(FP), R5
	MOVD n+48(FP), R6
	MOVD lds+56(FP), R7
	MOVD ldd+64(FP), R8
	LSL  $2, R7, R7
	LSL  $2, R8, R8
	VLD1 (R3), [V4.S4]
	VEOR V0.B16, V0.B16, V0.B16

	// invariant: as above, of V0 alone
loop:
	FMOVS.P 4(R4), F16
	FMOVS.P 4(R5), F17
	VLD1    (R1), [V20.S4]
	VLD1    (R2), [V24.S4]
	FMUL4S(24, 20, 20)
	FMLAE4S(0, 16, 4, 20)
	VST1    [V20.S4], (R1)
	FMLAE4S(0, 17, 20, 0)
	ADD     R7, R1
	ADD     R8, R2
	SUBS    $1, R6
	BGT     loop
	VST1    [V0.S4], (R0)
	RET
