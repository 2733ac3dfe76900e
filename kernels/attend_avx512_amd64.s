//go:build !purego

#include "textflag.h"
#include "exp_avx512_amd64.h"
#include "ask_amd64.h"

// func softmaxRow512(p *float32, lo, hi int, scale float32, at uintptr, run, back int) (max, sum float32)
//
// SI, R8 = first and last block of 16 keys with a key in [lo, hi); R9, R10 = the keys of those two.
// R14, R13, R15 = what is asked for, and how far on.
TEXT ·softmaxRow512(SB), 0, $136-64
	MOVQ         p+0(FP), SI
	MOVQ         hi+16(FP), DX
	DECQ         DX
	MOVL         DX, CX
	ANDL         $15, CX
	XORL         $15, CX
	MOVL         $0xffff, R10
	SHRL         CX, R10
	SHRQ         $4, DX
	SHLQ         $6, DX
	LEAQ         (SI)(DX*1), R8
	MOVQ         lo+8(FP), CX
	MOVQ         CX, DX
	SHRQ         $4, DX
	SHLQ         $6, DX
	ADDQ         DX, SI
	ANDL         $15, CX
	MOVL         $0xffff, R9
	SHLL         CX, R9
	ANDL         $0xffff, R9
	EXPCONST(AX)
	VBROADCASTSS scale+24(FP), Z2
	VXORPS       X3, X3, X3
	VSUBPS       Z30, Z3, Z1      // -Inf
	MOVQ         SI, R11
	MOVL         R9, R12

	// invariant: blocks before R11 hold scaled scores; Z1 = their largest, lane by lane
scores:
	CMPQ R11, R8
	JNE  scoremask
	ANDL R10, R12

scoremask:
	KMOVW    R12, K1
	PREFETCHT0 1024(R11) // the next row's
	VMULPS.Z (R11), Z2, K1, Z0
	VMOVUPS  Z0, (R11)
	VMAXPS   Z1, Z0, K1, Z1    // NaN in Z0: Z1 stays
	MOVL     $0xffff, R12
	ADDQ     $64, R11
	CMPQ     R11, R8
	JLS      scores

	MAX16(Z1, Y1, X1, Y0, X0)
	VADDSS       X3, X1, X1     // a zero becomes +0
	VMOVSS       X1, max+56(FP)
	VBROADCASTSS X1, Z1
	MOVL         R9, R12
	MOVQ         at+32(FP), R14
	MOVQ         run+40(FP), R13
	MOVQ         back+48(FP), R15

	// invariant: blocks before SI hold probabilities; Z3 = their sums, lane by lane
exps:
	CMPQ SI, R8
	JNE  expmask
	ANDL R10, R12

expmask:
	ASK(SI, R8)
	KMOVW   R12, K1
	VMOVUPS (SI), Z0
	VSUBPS  Z1, Z0, Z0
	EXP(Z0, Z4, Z5, Z6, Z7)
	VMOVUPS Z4, (SI)
	VADDPS  Z4, Z3, K1, Z3
	MOVL    $0xffff, R12
	ADDQ    $64, SI
	CMPQ    SI, R8
	JLS     exps

	TREE16(Z3, Y3, X3, Y0, X0)
	VMOVSS X3, sum+60(FP)
	VZEROUPPER
	RET

// func attendMerge512(out, pout *float32, n int, down, pdown float32) (a, b float32)
TEXT ·attendMerge512(SB), 0, $136-40
	MOVQ         out+0(FP), DI
	MOVQ         pout+8(FP), SI
	MOVQ         n+16(FP), DX
	EXPCONST(AX)
	VMOVSS       down+24(FP), X0
	VINSERTPS    $0x10, pdown+28(FP), X0, X0
	EXP(Z0, Z4, Z5, Z6, Z7)
	VMOVSHDUP    X4, X5
	VMOVSS       X4, a+32(FP)
	VMOVSS       X5, b+36(FP)
	VBROADCASTSS X4, Z1
	VBROADCASTSS X5, Z2
	MOVL         $0xffff, AX
	KMOVW        AX, K1

	// invariant: the elements before DI are merged, DX are left
loop:
	CMPQ  DX, $16
	JGE   whole
	MOVQ  DX, CX
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVW AX, K1

whole:
	VMULPS.Z    (DI), Z1, K1, Z0
	VMOVUPS.Z   (SI), K1, Z3
	VFMADD231PS Z3, Z2, Z0
	VMOVUPS     Z0, K1, (DI)
	ADDQ        $64, DI
	ADDQ        $64, SI
	SUBQ        $16, DX
	JGT         loop
	VZEROUPPER
	RET
