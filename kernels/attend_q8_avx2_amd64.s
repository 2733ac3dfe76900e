//go:build !purego

#include "textflag.h"

// A step is four values of p: two of B's rows, one after the other as words in Y8, Y9. Y(2i), Y(2i+1) = row i's sums.
#define LOADB \
	VPMOVSXBW (CX), Y8; \
	VPMOVSXBW 16(CX), Y9

#define DOTROW(a, c0, c1) \
	VPBROADCASTD a, Y12; \
	VPMADDWD     Y8, Y12, Y13; \
	VPMADDWD     Y9, Y12, Y14; \
	VPADDD       Y13, c0, c0; \
	VPADDD       Y14, c1, c1

#define DOTROW0(at) DOTROW(at(AX), Y0, Y1)
#define DOTROW1(at) DOTROW(at(AX)(R8*1), Y2, Y3)
#define DOTROW2(at) DOTROW(at(AX)(R8*2), Y4, Y5)
#define DOTROW3(at) DOTROW(at(AX)(R9*1), Y6, Y7)

#define NEXT \
	ADDQ DX, CX; \
	ADDQ $8, AX; \
	ADDQ R13, R10; \
	DECQ R12

// After eight steps, a round.
#define NEXTROUND \
	ADDQ R15, R10; \
	MOVL $8, R12; \
	DECQ BX

// SUMROW ends a group of row i, which is at DI with its scale at BX.
#define SUMROW(i, c0, c1) \
	CMPQ         R12, $i; \
	JLE          summed; \
	VCVTDQ2PS    c0, c0; \
	VCVTDQ2PS    c1, c1; \
	VBROADCASTSS (BX), Y12; \
	VMULPS       (R14), Y12, Y8; \
	VMULPS       32(R14), Y12, Y9; \
	VANDPS       (DI), Y15, Y13; \
	VANDPS       32(DI), Y15, Y14; \
	VFMADD231PS  c0, Y8, Y13; \
	VFMADD231PS  c1, Y9, Y14; \
	VMOVUPS      Y13, (DI); \
	VMOVUPS      Y14, 32(DI); \
	ADDQ         ldc+8(FP), DI; \
	ADDQ         ldd+40(FP), BX

// func dotQ8x256(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb int, s *float32, snext, m, rounds, groups int, at uintptr, run, back int)
//
//   AX = &A(0,p); R8, R9 = 1, 3 rows of A; CX = B's row p, DX = B's step
//   R10 = the next line to ask for, R13 further at each step, R15 further after each round
//   R12 = steps of the round left; BX = rounds of the group left; SI = groups left; R14 = the group's scales of columns
//   Y15 = 0 in the first group, else all bits
TEXT ·dotQ8x256(SB), 0, $136-128
	MOVQ  a+16(FP), AX
	MOVQ  lda+24(FP), R8
	LEAQ  (R8)(R8*2), R9
	MOVQ  b+48(FP), CX
	MOVQ  ldb+56(FP), DX
	MOVQ  s+64(FP), R14
	MOVQ  groups+96(FP), SI
	MOVQ  at+104(FP), R10
	MOVQ  run+112(FP), R13
	MOVQ  back+120(FP), R15
	VPXOR Y15, Y15, Y15

	// invariant: the groups before these SI > 0 are in C
group:
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	MOVQ  rounds+88(FP), BX
	MOVL  $8, R12
	CMPQ  m+80(FP), $2
	JLT   one
	JEQ   two
	CMPQ  m+80(FP), $4
	JLT   three

	// invariant of the four loops: Y0 to Y7 hold the sums of the group's steps before CX
four:
	PREFETCHT1 (R10)
	LOADB
	DOTROW0(0)
	DOTROW1(0)
	DOTROW2(0)
	DOTROW3(0)
	ADDQ DX, CX
	LOADB
	DOTROW0(4)
	DOTROW1(4)
	DOTROW2(4)
	DOTROW3(4)
	NEXT
	JNE four
	NEXTROUND
	JNE four
	JMP sum

three:
	PREFETCHT1 (R10)
	LOADB
	DOTROW0(0)
	DOTROW1(0)
	DOTROW2(0)
	ADDQ DX, CX
	LOADB
	DOTROW0(4)
	DOTROW1(4)
	DOTROW2(4)
	NEXT
	JNE three
	NEXTROUND
	JNE three
	JMP sum

two:
	PREFETCHT1 (R10)
	LOADB
	DOTROW0(0)
	DOTROW1(0)
	ADDQ DX, CX
	LOADB
	DOTROW0(4)
	DOTROW1(4)
	NEXT
	JNE two
	NEXTROUND
	JNE two
	JMP sum

one:
	PREFETCHT1 (R10)
	LOADB
	DOTROW0(0)
	ADDQ DX, CX
	LOADB
	DOTROW0(4)
	NEXT
	JNE one
	NEXTROUND
	JNE one

sum:
	MOVQ m+80(FP), R12
	MOVQ c+0(FP), DI
	MOVQ d+32(FP), BX
	SUMROW(0, Y0, Y1)
	SUMROW(1, Y2, Y3)
	SUMROW(2, Y4, Y5)
	SUMROW(3, Y6, Y7)
summed:
	ADDQ     $4, d+32(FP)
	ADDQ     snext+72(FP), R14
	VPCMPEQD Y15, Y15, Y15
	DECQ     SI
	JNE      group
	VZEROUPPER
	RET
