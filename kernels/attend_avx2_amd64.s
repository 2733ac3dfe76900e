//go:build !purego

#include "textflag.h"
#include "exp_avx2_amd64.h"
#include "ask_amd64.h"

// func softmaxRow256(p *float32, lo, hi int, scale float32, at uintptr, run, back int) (max, sum float32)
//
// SI, R8 = first and last block of 16 keys with a key in [lo, hi); R9, R10 = masks of the keys from lo in the first
// and below hi in the last, BX = the mask of all. Y14, Y15 = the mask of the block at hand.
// R14, R13, R15 = what is asked for, and how far on.
TEXT ·softmaxRow256(SB), 0, $136-64
	MOVQ p+0(FP), SI
	MOVQ hi+16(FP), DX
	DECQ DX
	LEAQ ·blockMask(SB), BX
	ADDQ $64, BX
	MOVQ DX, CX
	ANDQ $15, CX
	SHLQ $2, CX
	LEAQ 60(BX), R10
	SUBQ CX, R10
	SHRQ $4, DX
	SHLQ $6, DX
	LEAQ (SI)(DX*1), R8
	MOVQ lo+8(FP), CX
	MOVQ CX, DX
	SHRQ $4, DX
	SHLQ $6, DX
	ADDQ DX, SI
	ANDQ $15, CX
	SHLQ $2, CX
	MOVQ BX, R9
	SUBQ CX, R9
	LEAQ ·expTable(SB), AX

	VBROADCASTSS scale+24(FP), Y2
	VXORPS       Y3, Y3, Y3
	VSUBPS       768(AX), Y3, Y1  // -Inf
	VMOVAPS      Y1, Y8
	MOVQ         SI, R11
	MOVQ         R9, R12
	MOVQ         BX, R13

	// invariant: blocks before R11 hold scaled scores; Y1 = their largest, by lanes
scores:
	CMPQ R11, R8
	JNE  scoremask
	MOVQ R10, R13

scoremask:
	VMOVUPS   (R12), Y14
	VMOVUPS   32(R12), Y15
	VANDPS    (R13), Y14, Y14
	VANDPS    32(R13), Y15, Y15
	VMULPS    (R11), Y2, Y0
	VMULPS    32(R11), Y2, Y4
	VMOVUPS   Y0, (R11)
	VMOVUPS   Y4, 32(R11)
	VBLENDVPS Y14, Y0, Y8, Y0
	VBLENDVPS Y15, Y4, Y8, Y4
	VMAXPS    Y1, Y0, Y1        // NaN in Y0: Y1 stays
	VMAXPS    Y1, Y4, Y1
	MOVQ      BX, R12
	ADDQ      $64, R11
	CMPQ      R11, R8
	JLS       scores

	MAX8(Y1, X1, X0)
	VADDSS       X3, X1, X1     // a zero becomes +0
	VMOVSS       X1, max+56(FP)
	VBROADCASTSS X1, Y1
	VXORPS       Y8, Y8, Y8
	MOVQ         R9, R12
	MOVQ         BX, DX
	MOVQ         at+32(FP), R14
	MOVQ         run+40(FP), R13
	MOVQ         back+48(FP), R15

	// invariant: blocks before SI hold probabilities; Y3, Y8 = their sums, lane by lane
exps:
	CMPQ SI, R8
	JNE  expmask
	MOVQ R10, DX

expmask:
	ASK(SI, R8)
	VMOVUPS (R12), Y14
	VMOVUPS 32(R12), Y15
	VANDPS  (DX), Y14, Y14
	VANDPS  32(DX), Y15, Y15
	VMOVUPS (SI), Y0
	VSUBPS  Y1, Y0, Y0
	EXP(Y0, Y4, Y5, Y6, Y7)
	VMOVUPS 32(SI), Y0
	VSUBPS  Y1, Y0, Y0
	EXP(Y0, Y9, Y5, Y6, Y7)
	VMOVUPS Y4, (SI)
	VMOVUPS Y9, 32(SI)
	VANDPS  Y14, Y4, Y4
	VANDPS  Y15, Y9, Y9
	VADDPS  Y4, Y3, Y3
	VADDPS  Y9, Y8, Y8
	MOVQ    BX, R12
	ADDQ    $64, SI
	CMPQ    SI, R8
	JLS     exps

	TREE16(Y3, Y8, X3, X8)
	VMOVSS X3, sum+60(FP)
	VZEROUPPER
	RET

// func attendMerge256(out, pout *float32, n int, down, pdown float32) (a, b float32)
TEXT ·attendMerge256(SB), 0, $136-40
	MOVQ         out+0(FP), DI
	MOVQ         pout+8(FP), SI
	MOVQ         n+16(FP), DX
	LEAQ         ·expTable(SB), AX
	VMOVSS       down+24(FP), X0
	VINSERTPS    $0x10, pdown+28(FP), X0, X0
	EXP(Y0, Y4, Y5, Y6, Y7)
	VMOVSHDUP    X4, X5
	VMOVSS       X4, a+32(FP)
	VMOVSS       X5, b+36(FP)
	VBROADCASTSS X4, Y1
	VBROADCASTSS X5, Y2

	// invariant: the elements before DI are merged, DX > 0 are left
loop:
	VMULPS      (DI), Y1, Y0
	VFMADD231PS (SI), Y2, Y0
	VMOVUPS     Y0, (DI)
	ADDQ        $32, DI
	ADDQ        $32, SI
	SUBQ        $8, DX
	JGT         loop
	VZEROUPPER
	RET
