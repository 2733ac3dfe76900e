//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func sumLanes128(x *float32, n int, lanes *[16]float32)
TEXT ·sumLanes128(SB), 0, $136-24
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	MOVD lanes+16(FP), R5
	VLD1 (R5), [V16.S4, V17.S4, V18.S4, V19.S4]

	// invariant: V16 to V19 = the lane sums of the elements before R0, R2 > 0 are left
loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	FADD4S(0, 16, 16)
	FADD4S(1, 17, 17)
	FADD4S(2, 18, 18)
	FADD4S(3, 19, 19)
	SUBS   $16, R2
	BGT    loop
	VST1   [V16.S4, V17.S4, V18.S4, V19.S4], (R5)
	RET

// func dotLanes128(x, y *float32, n int, lanes *[16]float32)
TEXT ·dotLanes128(SB), 0, $136-32
	MOVD x+0(FP), R0
	MOVD y+8(FP), R1
	MOVD n+16(FP), R2
	MOVD lanes+24(FP), R5
	VLD1 (R5), [V16.S4, V17.S4, V18.S4, V19.S4]

	// invariant: V16 to V19 = the lane chains of the elements before R0, R2 > 0 are left
loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMLA4S(4, 0, 16)
	FMLA4S(5, 1, 17)
	FMLA4S(6, 2, 18)
	FMLA4S(7, 3, 19)
	SUBS   $16, R2
	BGT    loop
	VST1   [V16.S4, V17.S4, V18.S4, V19.S4], (R5)
	RET

// func max128(x *float32, n int, lanes *[4]float32)
TEXT ·max128(SB), 0, $136-24
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	MOVD lanes+16(FP), R5
	VLD1 (R5), [V16.S4]

	// invariant: V16 = the largest by lanes of the elements before R0; NaN never enters, as it is not larger
loop:
	VLD1.P 16(R0), [V0.S4]
	FCMGT4S(16, 0, 1)
	BIT16B(1, 0, 16)
	SUBS   $4, R2
	BGT    loop
	VST1   [V16.S4], (R5)
	RET

// func finite128(x *float32, n int) (ok bool)
TEXT ·finite128(SB), 0, $136-17
	MOVD x+0(FP), R0
	MOVD n+8(FP), R2
	MOVW $0x7f800000, R3
	VDUP R3, V2.S4
	VMOVI $0, V3.B16

	// invariant: V3 = the largest exponents by lanes of the elements before R0, R2 > 0 are left
loop:
	VLD1.P 16(R0), [V0.S4]
	VAND   V2.B16, V0.B16, V0.B16
	VUMAX  V0.S4, V3.S4, V3.S4
	SUBS   $4, R2
	BGT    loop
	UMAXV4S(3, 3)
	FMOVS  F3, R4
	CMPW   R3, R4
	CSET   NE, R4
	MOVB   R4, ok+16(FP)
	RET
