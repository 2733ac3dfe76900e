//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// func rmsApply128(dst, x, w *float32, n int, s float32)
TEXT ·rmsApply128(SB), 0, $136-36
	MOVD  dst+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  w+16(FP), R3
	MOVD  n+24(FP), R2
	FMOVS s+32(FP), F2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R3), [V1.S4]
	FMULE4S(0, 2, 0, 0)
	FMUL4S(1, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2
	BGT    loop
	RET

// func rmsBackLanes128(dy, w, x *float32, n int, lanes *[16]float32)
TEXT ·rmsBackLanes128(SB), 0, $136-40
	MOVD dy+0(FP), R0
	MOVD w+8(FP), R3
	MOVD x+16(FP), R1
	MOVD n+24(FP), R2
	MOVD lanes+32(FP), R5
	VLD1 (R5), [V16.S4, V17.S4, V18.S4, V19.S4]

	// invariant: V16 to V19 = the lane chains of the elements before R1, R2 > 0 are left
loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R3), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R1), [V8.S4, V9.S4, V10.S4, V11.S4]
	FMUL4S(4, 0, 0)
	FMUL4S(5, 1, 1)
	FMUL4S(6, 2, 2)
	FMUL4S(7, 3, 3)
	FMLA4S(8, 0, 16)
	FMLA4S(9, 1, 17)
	FMLA4S(10, 2, 18)
	FMLA4S(11, 3, 19)
	SUBS   $16, R2
	BGT    loop
	VST1   [V16.S4, V17.S4, V18.S4, V19.S4], (R5)
	RET

// func rmsBackApply128(dx, dw, dy, x, w *float32, n int, s, c float32)
TEXT ·rmsBackApply128(SB), 0, $136-56
	MOVD  dx+0(FP), R0
	MOVD  dw+8(FP), R6
	MOVD  dy+16(FP), R5
	MOVD  x+24(FP), R1
	MOVD  w+32(FP), R4
	MOVD  n+40(FP), R2
	FMOVS s+48(FP), F10
	FMOVS c+52(FP), F11
	FNEGS F11, F11

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R5), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	VLD1.P 16(R4), [V2.S4]
	VLD1   (R6), [V4.S4]
	VLD1   (R0), [V5.S4]
	FMUL4S(2, 0, 2)       // g = dy*w
	FMULE4S(0, 10, 2, 2)
	FMULE4S(0, 10, 1, 3)
	FMUL4S(3, 0, 3)
	FADD4S(3, 4, 4)
	FMLAE4S(0, 11, 1, 2)
	FADD4S(2, 5, 5)
	VST1   [V4.S4], (R6)
	ADD    $16, R6
	VST1   [V5.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func ropeHalves128(a, b, cos, sin *float32, n int)
TEXT ·ropeHalves128(SB), 0, $136-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD cos+16(FP), R3
	MOVD sin+24(FP), R4
	MOVD n+32(FP), R2

	// invariant: the pairs before R0 are done, R2 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	VLD1   (R1), [V1.S4]
	VLD1.P 16(R3), [V2.S4]
	VLD1.P 16(R4), [V3.S4]
	FMUL4S(3, 1, 4)
	FNEG4S(4, 4)           // -(b*sin)
	FMLA4S(2, 0, 4)
	FMUL4S(2, 1, 5)        // b*cos
	FMLA4S(3, 0, 5)
	VST1   [V4.S4], (R0)
	ADD    $16, R0
	VST1   [V5.S4], (R1)
	ADD    $16, R1
	SUBS   $4, R2
	BGT    loop
	RET

// func ropePairs128(x, cos, sin *float32, n int)
TEXT ·ropePairs128(SB), 0, $136-32
	MOVD x+0(FP), R0
	MOVD cos+8(FP), R3
	MOVD sin+16(FP), R4
	MOVD n+24(FP), R2

	// invariant: the pairs before R0 are done, R2 > 0 are left
loop:
	VLD2   (R0), [V0.S4, V1.S4]
	VLD1.P 16(R3), [V2.S4]
	VLD1.P 16(R4), [V3.S4]
	FMUL4S(3, 1, 4)
	FNEG4S(4, 4)
	FMLA4S(2, 0, 4)
	FMUL4S(2, 1, 5)
	FMLA4S(3, 0, 5)
	VST2   [V4.S4, V5.S4], (R0)
	ADD    $32, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func adamW128(w, grad, m, v *float32, n int, s *AdamWStep)
TEXT ·adamW128(SB), 0, $136-48
	MOVD   w+0(FP), R0
	MOVD   grad+8(FP), R1
	MOVD   m+16(FP), R3
	MOVD   v+24(FP), R4
	MOVD   n+32(FP), R2
	MOVD   s+40(FP), R5
	FMOVS  AdamWStep_GradScale(R5), F16
	FMOVS  AdamWStep_Beta1(R5), F17
	FMOVS  AdamWStep_Beta2(R5), F18
	FMOVS  AdamWStep_LR(R5), F20
	FMOVS  AdamWStep_InvSqrtBias2(R5), F21
	MOVWU  AdamWStep_Eps(R5), R6
	VDUP   R6, V22.S4
	FMOVS  AdamWStep_Decay(R5), F23
	FMOVS  $1.0, F0
	FSUBS  F17, F0, F17                    // 1-b1
	FSUBS  F18, F0, F19                    // 1-b2
	FNEGS  F20, F20

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R1), [V1.S4]
	VLD1   (R3), [V2.S4]
	VLD1   (R4), [V3.S4]
	VLD1   (R0), [V4.S4]
	FMULE4S(0, 16, 1, 1)
	FSUB4S(2, 1, 5)
	FMLAE4S(0, 17, 5, 2)
	FMUL4S(1, 1, 1)
	FMULE4S(0, 18, 3, 3)
	FMLAE4S(0, 19, 1, 3)
	VST1   [V2.S4], (R3)
	ADD    $16, R3
	VST1   [V3.S4], (R4)
	ADD    $16, R4
	FSQRT4S(3, 3)
	ORR16B(22, 22, 5)
	FMLAE4S(0, 21, 3, 5)
	FDIV4S(5, 2, 2)
	FMULE4S(0, 23, 4, 4)
	FMLAE4S(0, 20, 2, 4)
	VST1   [V4.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET
