//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"
#include "exp_neon_arm64.h"

// func exp128(dst, x *float32, n int)
TEXT ·exp128(SB), 0, $136-24
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	LOADEXP(R3)

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R1), [V0.S4]
	EXP(0, 1, 2, 3, 4)
	VST1.P [V1.S4], 16(R0)
	SUBS   $4, R2
	BGT    loop
	RET

// func softmaxExp128(dst, x *float32, n int, max float32, lanes *[16]float32)
TEXT ·softmaxExp128(SB), 0, $136-40
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	MOVW max+24(FP), R4
	VDUP R4, V15.S4
	MOVD lanes+32(FP), R5
	VLD1 (R5), [V5.S4, V6.S4, V7.S4, V8.S4]
	LOADEXP(R3)

	// invariant: the elements before R0 are done, V5 to V8 = their lane sums, R2 > 0 are left
loop:
	VLD1.P 64(R1), [V9.S4, V10.S4, V11.S4, V12.S4]
	FSUB4S(15, 9, 9)
	FSUB4S(15, 10, 10)
	FSUB4S(15, 11, 11)
	FSUB4S(15, 12, 12)
	EXP(9, 0, 13, 14, 4)
	EXP(10, 1, 13, 14, 4)
	EXP(11, 2, 13, 14, 4)
	EXP(12, 3, 13, 14, 4)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	FADD4S(0, 5, 5)
	FADD4S(1, 6, 6)
	FADD4S(2, 7, 7)
	FADD4S(3, 8, 8)
	SUBS   $16, R2
	BGT    loop
	VST1   [V5.S4, V6.S4, V7.S4, V8.S4], (R5)
	RET

// func swiGLU128(dst, gate, up *float32, n int)
TEXT ·swiGLU128(SB), 0, $136-32
	MOVD dst+0(FP), R0
	MOVD gate+8(FP), R1
	MOVD up+16(FP), R4
	MOVD n+24(FP), R2
	LOADEXP(R3)

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R1), [V0.S4]
	FNEG4S(0, 5)
	EXP(5, 1, 2, 3, 4)
	FADD4S(25, 1, 1)
	FDIV4S(1, 0, 0)
	VLD1.P 16(R4), [V6.S4]
	FMUL4S(6, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2
	BGT    loop
	RET

// func geGLU128(dst, gate, up *float32, n int, c0, c1 float32)
TEXT ·geGLU128(SB), 0, $136-40
	MOVD  dst+0(FP), R0
	MOVD  gate+8(FP), R1
	MOVD  up+16(FP), R4
	MOVD  n+24(FP), R2
	MOVW  c0+32(FP), R5
	VDUP  R5, V14.S4
	FMOVS c1+36(FP), F15
	LOADEXP(R3)
	FMOVS $-2.0, F13

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R1), [V0.S4]
	FMUL4S(0, 0, 1)
	ORR16B(14, 14, 5)
	FMLAE4S(0, 15, 1, 5)
	FMUL4S(5, 0, 5)
	FMULE4S(0, 13, 5, 5)
	EXP(5, 1, 2, 3, 4)
	FADD4S(25, 1, 1)
	FDIV4S(1, 0, 0)
	VLD1.P 16(R4), [V6.S4]
	FMUL4S(6, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2
	BGT    loop
	RET

// func swiGLUBack128(dgate, dup, dy, gate, up *float32, n int)
TEXT ·swiGLUBack128(SB), 0, $136-48
	MOVD dgate+0(FP), R0
	MOVD dup+8(FP), R6
	MOVD dy+16(FP), R5
	MOVD gate+24(FP), R1
	MOVD up+32(FP), R4
	MOVD n+40(FP), R2
	LOADEXP(R3)

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R5), [V8.S4]
	VLD1.P 16(R4), [V9.S4]
	FMUL4S(9, 8, 9)       // dy*up
	FNEG4S(0, 5)
	EXP(5, 1, 2, 3, 4)
	FADD4S(25, 1, 1)
	FDIV4S(1, 25, 1)      // s
	FMUL4S(1, 0, 0)       // g*s
	FMUL4S(0, 8, 2)
	FSUB4S(1, 25, 3)      // 1-s
	FMLA4S(3, 0, 1)
	FMUL4S(1, 9, 9)
	VST1.P [V2.S4], 16(R6)
	VST1.P [V9.S4], 16(R0)
	SUBS   $4, R2
	BGT    loop
	RET
