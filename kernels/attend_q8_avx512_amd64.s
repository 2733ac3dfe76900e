//go:build !purego

#include "textflag.h"

// A step is four values of p: two of B's rows, Z20, Z21 and Z22, Z23, as words. Z(4i), Z(4i+1) = row i's sums of the first, Z(4i+2),
// Z(4i+3) of the second.
#define LOADB \
	PREFETCHT1 (R10); \
	PREFETCHT1 64(R10); \
	LEAQ      (CX)(DX*1), DI; \
	VPMOVSXBW (CX), Z20; \
	VPMOVSXBW (CX)(R11*1), Z21; \
	VPMOVSXBW (DI), Z22; \
	VPMOVSXBW (DI)(R11*1), Z23

#define DOTROW(a, a4, c0, c1, c2, c3) \
	VPBROADCASTD a, Z24; \
	VPBROADCASTD a4, Z25; \
	VPDPWSSD     Z20, Z24, c0; \
	VPDPWSSD     Z21, Z24, c1; \
	VPDPWSSD     Z22, Z25, c2; \
	VPDPWSSD     Z23, Z25, c3

#define DOTROW0 DOTROW((AX), 4(AX), Z0, Z1, Z2, Z3)
#define DOTROW1 DOTROW((AX)(R8*1), 4(AX)(R8*1), Z4, Z5, Z6, Z7)
#define DOTROW2 DOTROW((AX)(R8*2), 4(AX)(R8*2), Z8, Z9, Z10, Z11)
#define DOTROW3 DOTROW((AX)(R9*1), 4(AX)(R9*1), Z12, Z13, Z14, Z15)

#define NEXT \
	ADDQ $8, AX; \
	LEAQ (DI)(DX*1), CX; \
	ADDQ R13, R10; \
	DECQ R12

// After eight steps, a round.
#define NEXTROUND \
	ADDQ R15, R10; \
	MOVL $8, R12; \
	DECQ BX

// SUMROW ends a group of row i, which is at DI with its scale at BX.
#define SUMROW(i, c0, c1, c2, c3) \
	CMPQ         R12, $i; \
	JLE          summed; \
	VPADDD       c2, c0, c0; \
	VPADDD       c3, c1, c1; \
	VCVTDQ2PS    c0, c0; \
	VCVTDQ2PS    c1, c1; \
	VBROADCASTSS (BX), Z27; \
	VMULPS       (R14), Z27, Z26; \
	VMULPS       64(R14), Z27, Z27; \
	VMOVUPS.Z    (DI), K1, Z28; \
	VMOVUPS.Z    64(DI), K1, Z29; \
	VFMADD231PS  c0, Z26, Z28; \
	VFMADD231PS  c1, Z27, Z29; \
	VMOVUPS      Z28, (DI); \
	VMOVUPS      Z29, 64(DI); \
	ADDQ         ldc+8(FP), DI; \
	ADDQ         ldd+40(FP), BX

// func dotQ8x512(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb, b1 int, s *float32, snext, m, rounds, groups int, at uintptr, run, back int)
//
//   AX = &A(0,p); R8, R9 = 1, 3 rows of A; CX = B's row p, DX = B's step, R11 = the distance of its columns 16 to 31
//   R10 = the next lines to ask for, R13 further at each step, R15 further after each round
//   R12 = steps of the round left; BX = rounds of the group left; SI = groups left; R14 = the group's scales of columns
//   K1 = 0 in the first group
TEXT ·dotQ8x512(SB), 0, $136-136
	MOVQ  a+16(FP), AX
	MOVQ  lda+24(FP), R8
	LEAQ  (R8)(R8*2), R9
	MOVQ  b+48(FP), CX
	MOVQ  ldb+56(FP), DX
	MOVQ  b1+64(FP), R11
	MOVQ  s+72(FP), R14
	MOVQ  groups+104(FP), SI
	MOVQ  at+112(FP), R10
	MOVQ  run+120(FP), R13
	MOVQ  back+128(FP), R15
	KXORW K1, K1, K1

	// invariant: the groups before these SI > 0 are in C
group:
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	VPXORD Z8, Z8, Z8
	VPXORD Z9, Z9, Z9
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11
	VPXORD Z12, Z12, Z12
	VPXORD Z13, Z13, Z13
	VPXORD Z14, Z14, Z14
	VPXORD Z15, Z15, Z15
	MOVQ   rounds+96(FP), BX
	MOVL   $8, R12
	CMPQ   m+88(FP), $2
	JLT    one
	JEQ    two
	CMPQ   m+88(FP), $4
	JLT    three

	// invariant of the four loops: Z0 to Z15 hold the sums of the group's steps before CX
four:
	LOADB
	DOTROW0
	DOTROW1
	DOTROW2
	DOTROW3
	NEXT
	JNE four
	NEXTROUND
	JNE four
	JMP sum

three:
	LOADB
	DOTROW0
	DOTROW1
	DOTROW2
	NEXT
	JNE three
	NEXTROUND
	JNE three
	JMP sum

two:
	LOADB
	DOTROW0
	DOTROW1
	NEXT
	JNE two
	NEXTROUND
	JNE two
	JMP sum

one:
	LOADB
	DOTROW0
	NEXT
	JNE one
	NEXTROUND
	JNE one

sum:
	MOVQ m+88(FP), R12
	MOVQ c+0(FP), DI
	MOVQ d+32(FP), BX
	SUMROW(0, Z0, Z1, Z2, Z3)
	SUMROW(1, Z4, Z5, Z6, Z7)
	SUMROW(2, Z8, Z9, Z10, Z11)
	SUMROW(3, Z12, Z13, Z14, Z15)
summed:
	ADDQ   $4, d+32(FP)
	ADDQ   snext+80(FP), R14
	KXNORW K1, K1, K1
	DECQ   SI
	JNE    group
	VZEROUPPER
	RET
