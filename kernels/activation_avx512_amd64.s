//go:build !purego

#include "textflag.h"
#include "lanes_avx512_amd64.h"
#include "exp_avx512_amd64.h"

// func exp512(dst, x *float32, n int)
TEXT ·exp512(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), DX
	EXPCONST(AX)
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	EXP(Z0, Z1, Z2, Z3, Z4)
	VMOVUPS   Z1, K1, (DI)
	NEXT2(DI, SI)
	JGT       loop
	VZEROUPPER
	RET

// func softmaxExp512(dst, x *float32, n int, max float32, lanes *[16]float32)
TEXT ·softmaxExp512(SB), 0, $136-40
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), DX
	VBROADCASTSS max+24(FP), Z8
	MOVQ         lanes+32(FP), R8
	VMOVUPS      (R8), Z9
	EXPCONST(AX)
	LANESINIT

	// invariant: the elements before DI are done, Z9 = their lane sums, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	VSUBPS    Z8, Z0, Z0
	EXP(Z0, Z1, Z2, Z3, Z4)
	VMOVUPS   Z1, K1, (DI)
	VADDPS    Z1, Z9, K1, Z9
	NEXT2(DI, SI)
	JGT       loop
	VMOVUPS   Z9, (R8)
	VZEROUPPER
	RET

// func swiGLU512(dst, gate, up *float32, n int)
TEXT ·swiGLU512(SB), 0, $136-32
	MOVQ         dst+0(FP), DI
	MOVQ         gate+8(FP), SI
	MOVQ         up+16(FP), BX
	MOVQ         n+24(FP), DX
	EXPCONST(AX)
	MOVL         $0x80000000, AX
	VPBROADCASTD AX, Z17
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	VPXORD    Z17, Z0, Z5
	EXP(Z5, Z1, Z2, Z3, Z4)
	VADDPS    Z27, Z1, Z1
	VDIVPS    Z1, Z0, Z0
	VMOVUPS.Z (BX), K1, Z6
	VMULPS    Z6, Z0, Z0
	VMOVUPS   Z0, K1, (DI)
	NEXT3(DI, SI, BX)
	JGT       loop
	VZEROUPPER
	RET

// func geGLU512(dst, gate, up *float32, n int, c0, c1 float32)
TEXT ·geGLU512(SB), 0, $136-40
	MOVQ         dst+0(FP), DI
	MOVQ         gate+8(FP), SI
	MOVQ         up+16(FP), BX
	MOVQ         n+24(FP), DX
	VBROADCASTSS c0+32(FP), Z16
	VBROADCASTSS c1+36(FP), Z17
	EXPCONST(AX)
	LANESINIT
	MOVL         $0xc0000000, AX // -2
	VPBROADCASTD AX, Z15

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z   (SI), K1, Z0
	VMULPS      Z0, Z0, Z1
	VFMADD213PS Z16, Z17, Z1
	VMULPS      Z1, Z0, Z5
	VMULPS      Z15, Z5, Z5
	EXP(Z5, Z1, Z2, Z3, Z4)
	VADDPS      Z27, Z1, Z1
	VDIVPS      Z1, Z0, Z0
	VMOVUPS.Z   (BX), K1, Z6
	VMULPS      Z6, Z0, Z0
	VMOVUPS     Z0, K1, (DI)
	NEXT3(DI, SI, BX)
	JGT         loop
	VZEROUPPER
	RET

// func swiGLUBack512(dgate, dup, dy, gate, up *float32, n int)
TEXT ·swiGLUBack512(SB), 0, $136-48
	MOVQ         dgate+0(FP), DI
	MOVQ         dup+8(FP), R8
	MOVQ         dy+16(FP), R9
	MOVQ         gate+24(FP), SI
	MOVQ         up+32(FP), BX
	MOVQ         n+40(FP), DX
	EXPCONST(AX)
	MOVL         $0x80000000, AX
	VPBROADCASTD AX, Z17
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z   (SI), K1, Z0
	VMOVUPS.Z   (R9), K1, Z8
	VMOVUPS.Z   (BX), K1, Z9
	VPXORD      Z17, Z0, Z5
	EXP(Z5, Z1, Z2, Z3, Z4)
	VADDPS      Z27, Z1, Z1
	VDIVPS      Z1, Z27, Z1  // s
	VMULPS      Z1, Z0, Z0   // g*s
	VMULPS      Z0, Z8, Z2
	VSUBPS      Z1, Z27, Z3
	VFMADD213PS Z1, Z0, Z3
	VMULPS      Z9, Z8, Z8
	VMULPS      Z3, Z8, Z8
	VMOVUPS     Z2, K1, (R8)
	VMOVUPS     Z8, K1, (DI)
	ADDQ        $64, R8
	ADDQ        $64, R9
	NEXT3(DI, SI, BX)
	JGT         loop
	VZEROUPPER
	RET
