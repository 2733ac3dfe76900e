//go:build !purego

#include "textflag.h"
#include "exp_avx2_amd64.h"

// func exp256(dst, x *float32, n int)
TEXT ·exp256(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), DX
	LEAQ ·expTable(SB), AX

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS (SI), Y0
	EXP(Y0, Y1, Y2, Y3, Y4)
	VMOVUPS Y1, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	SUBQ    $8, DX
	JGT     loop
	VZEROUPPER
	RET

// func softmaxExp256(dst, x *float32, n int, max float32, lanes *[16]float32)
TEXT ·softmaxExp256(SB), 0, $136-40
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), DX
	VBROADCASTSS max+24(FP), Y8
	MOVQ         lanes+32(FP), R8
	VMOVUPS      (R8), Y9
	VMOVUPS      32(R8), Y10
	LEAQ         ·expTable(SB), AX

	// invariant: the elements before DI are done, Y9, Y10 = their lane sums, DX > 0 are left
loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y5
	VSUBPS  Y8, Y0, Y0
	VSUBPS  Y8, Y5, Y5
	EXP(Y0, Y1, Y2, Y3, Y4)
	EXP(Y5, Y6, Y2, Y3, Y4)
	VMOVUPS Y1, (DI)
	VMOVUPS Y6, 32(DI)
	VADDPS  Y1, Y9, Y9
	VADDPS  Y6, Y10, Y10
	ADDQ    $64, DI
	ADDQ    $64, SI
	SUBQ    $16, DX
	JGT     loop
	VMOVUPS Y9, (R8)
	VMOVUPS Y10, 32(R8)
	VZEROUPPER
	RET

// func swiGLU256(dst, gate, up *float32, n int)
TEXT ·swiGLU256(SB), 0, $136-32
	MOVQ         dst+0(FP), DI
	MOVQ         gate+8(FP), SI
	MOVQ         up+16(FP), BX
	MOVQ         n+24(FP), DX
	LEAQ         ·expTable(SB), AX
	MOVL         $0x80000000, CX
	VMOVD        CX, X15
	VPBROADCASTD X15, Y15

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS (SI), Y0
	VXORPS  Y15, Y0, Y5
	EXP(Y5, Y1, Y2, Y3, Y4)
	VADDPS  576(AX), Y1, Y1
	VDIVPS  Y1, Y0, Y0
	VMULPS  (BX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	ADDQ    $32, BX
	SUBQ    $8, DX
	JGT     loop
	VZEROUPPER
	RET

// func geGLU256(dst, gate, up *float32, n int, c0, c1 float32)
TEXT ·geGLU256(SB), 0, $136-40
	MOVQ         dst+0(FP), DI
	MOVQ         gate+8(FP), SI
	MOVQ         up+16(FP), BX
	MOVQ         n+24(FP), DX
	VBROADCASTSS c0+32(FP), Y14
	VBROADCASTSS c1+36(FP), Y15
	LEAQ         ·expTable(SB), AX
	MOVL         $0xc0000000, CX   // -2
	VMOVD        CX, X13
	VPBROADCASTD X13, Y13

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS     (SI), Y0
	VMULPS      Y0, Y0, Y1
	VFMADD213PS Y14, Y15, Y1
	VMULPS      Y1, Y0, Y5
	VMULPS      Y13, Y5, Y5
	EXP(Y5, Y1, Y2, Y3, Y4)
	VADDPS      576(AX), Y1, Y1
	VDIVPS      Y1, Y0, Y0
	VMULPS      (BX), Y0, Y0
	VMOVUPS     Y0, (DI)
	ADDQ        $32, DI
	ADDQ        $32, SI
	ADDQ        $32, BX
	SUBQ        $8, DX
	JGT         loop
	VZEROUPPER
	RET

// func swiGLUBack256(dgate, dup, dy, gate, up *float32, n int)
TEXT ·swiGLUBack256(SB), 0, $136-48
	MOVQ         dgate+0(FP), DI
	MOVQ         dup+8(FP), R8
	MOVQ         dy+16(FP), R9
	MOVQ         gate+24(FP), SI
	MOVQ         up+32(FP), BX
	MOVQ         n+40(FP), DX
	LEAQ         ·expTable(SB), AX
	MOVL         $0x80000000, CX
	VMOVD        CX, X15
	VPBROADCASTD X15, Y15

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS     (SI), Y0
	VMOVUPS     (R9), Y8
	VMULPS      (BX), Y8, Y9 // dy*up
	VXORPS      Y15, Y0, Y5
	EXP(Y5, Y1, Y2, Y3, Y4)
	VMOVUPS     576(AX), Y6
	VADDPS      Y6, Y1, Y1
	VDIVPS      Y1, Y6, Y1   // s
	VMULPS      Y1, Y0, Y0   // g*s
	VMULPS      Y0, Y8, Y2
	VSUBPS      Y1, Y6, Y3
	VFMADD213PS Y1, Y0, Y3
	VMULPS      Y3, Y9, Y9
	VMOVUPS     Y2, (R8)
	VMOVUPS     Y9, (DI)
	ADDQ        $32, R8
	ADDQ        $32, R9
	ADDQ        $32, DI
	ADDQ        $32, SI
	ADDQ        $32, BX
	SUBQ        $8, DX
	JGT         loop
	VZEROUPPER
	RET
