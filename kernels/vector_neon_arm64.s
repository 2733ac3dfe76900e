//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"
#include "exp_neon_arm64.h"

// func add128(dst, x *float32, n int)
TEXT ·add128(SB), 0, $136-24
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	FADD4S(1, 0, 0)
	VST1   [V0.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func mul128(dst, x *float32, n int)
TEXT ·mul128(SB), 0, $136-24
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	FMUL4S(1, 0, 0)
	VST1   [V0.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func axpy128(dst, x *float32, n int, a float32)
TEXT ·axpy128(SB), 0, $136-28
	MOVD  dst+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  n+16(FP), R2
	FMOVS a+24(FP), F2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	FMLAE4S(0, 2, 1, 0)
	VST1   [V0.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func scale128(dst *float32, n int, a float32)
TEXT ·scale128(SB), 0, $136-20
	MOVD  dst+0(FP), R0
	MOVD  n+8(FP), R2
	FMOVS a+16(FP), F2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	FMULE4S(0, 2, 0, 0)
	VST1   [V0.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func div128(dst *float32, n int, a float32)
TEXT ·div128(SB), 0, $136-20
	MOVD  dst+0(FP), R0
	MOVD  n+8(FP), R2
	FMOVS a+16(FP), F2
	VDUP  V2.S[0], V2.S4

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	FDIV4S(2, 0, 0)
	VST1   [V0.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func attendMerge128(out, pout *float32, n int, down, pdown float32) (a, b float32)
TEXT ·attendMerge128(SB), 0, $136-40
	MOVD  out+0(FP), R0
	MOVD  pout+8(FP), R1
	MOVD  n+16(FP), R2
	FMOVS down+24(FP), F0
	FMOVS pdown+28(FP), F1
	LOADEXP(R3)
	EXP(0, 2, 4, 5, 6)
	EXP(1, 3, 4, 5, 6)
	FMOVS F2, a+32(FP)
	FMOVS F3, b+36(FP)

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1   (R0), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	FMULE4S(0, 2, 0, 0)
	FMLAE4S(0, 3, 1, 0)
	VST1   [V0.S4], (R0)
	ADD    $16, R0
	SUBS   $4, R2
	BGT    loop
	RET

// func f16ToF32x128(dst *float32, src *uint16, n int)
TEXT ·f16ToF32x128(SB), 0, $136-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 8(R1), [V0.H4]
	FCVTL4S(0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2
	BGT    loop
	RET

// func f32ToF16x128(dst *uint16, src *float32, n int)
TEXT ·f32ToF16x128(SB), 0, $136-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 16(R1), [V0.S4]
	FCVTN4H(0, 0)
	VST1.P [V0.H4], 8(R0)
	SUBS   $4, R2
	BGT    loop
	RET

// func bf16ToF32x128(dst *float32, src *uint16, n int)
TEXT ·bf16ToF32x128(SB), 0, $136-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

	// invariant: the elements before R0 are done, R2 > 0 are left
loop:
	VLD1.P 8(R1), [V0.H4]
	VUXTL  V0.H4, V0.S4
	VSHL   $16, V0.S4, V0.S4
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2
	BGT    loop
	RET
