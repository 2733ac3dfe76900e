//go:build !purego

#include "textflag.h"

// The assembler knows no VDPBF16PS (EVEX.512.F3.0F38.W0 52): c += pairs of Z30 times pairs of b, b = 28 or 29.
#define VDPBF16PS(b, c) BYTE $0x62; BYTE $(0x02+0x80*(1-((c>>3)&1))+0x10*(1-((c>>4)&1))); BYTE $0x0e; BYTE $0x40; BYTE $0x52; BYTE $(0xc0+8*(c&7)+(b&7))

#define DOTROW(addr, c0, c1) \
	VPBROADCASTD addr, Z30; \
	VDPBF16PS(28, c0)       \
	VDPBF16PS(29, c1)

#define SOMEROW(i, addr, c0, c1) \
	CMPQ R13, $i; \
	JLE  somenext; \
	DOTROW(addr, c0, c1)

#define LOADROW(i, c0, c1) \
	CMPQ      R13, $i; \
	JLE       loaded; \
	VMOVUPS.Z (DI), K1, c0; \
	VMOVUPS.Z 64(DI), K2, c1; \
	ADDQ      R15, DI

#define STOREROW(i, c0, c1) \
	CMPQ    R13, $i; \
	JLE     stored; \
	VMOVUPS c0, K1, (DI); \
	VMOVUPS c1, K2, 64(DI); \
	ADDQ    R15, DI

// func gemmBF16Tile512(c *float32, ldc int, a *uint16, lda int, b *uint16, m, pairs int, mask uint32, acc bool)
//
// As gemmTile512, for pairs of bf16.
//
// Registers: Z(2i), Z(2i+1) = row i of C, 32 columns; Z28, Z29 = a pair of B's rows; Z30 = a pair of A in all lanes
//   AX, BX = pairs of A's rows 0 and 7; R8, R9, R10 = 1, 3, 5 rows of A; CX = pair of B's rows
//   R12 = pairs left; R13 = rows; DI, R15 = row of C and its stride
TEXT ·gemmBF16Tile512(SB), 0, $136-61
	MOVQ  c+0(FP), DI
	MOVQ  ldc+8(FP), R15
	MOVQ  a+16(FP), AX
	MOVQ  lda+24(FP), R8
	MOVQ  b+32(FP), CX
	MOVQ  m+40(FP), R13
	MOVQ  pairs+48(FP), R12
	MOVL  mask+56(FP), R9
	KMOVW R9, K1
	SHRL  $16, R9
	KMOVW R9, K2
	LEAQ  (R8)(R8*2), R9
	LEAQ  (R8)(R8*4), R10
	LEAQ  (AX)(R9*2), BX
	ADDQ  R8, BX
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
	VPXORD Z16, Z16, Z16
	VPXORD Z17, Z17, Z17
	VPXORD Z18, Z18, Z18
	VPXORD Z19, Z19, Z19
	VPXORD Z20, Z20, Z20
	VPXORD Z21, Z21, Z21
	VPXORD Z22, Z22, Z22
	VPXORD Z23, Z23, Z23
	VPXORD Z24, Z24, Z24
	VPXORD Z25, Z25, Z25
	VPXORD Z26, Z26, Z26
	VPXORD Z27, Z27, Z27
	CMPB   acc+60(FP), $0
	JEQ    loaded
	LOADROW(0, Z0, Z1)
	LOADROW(1, Z2, Z3)
	LOADROW(2, Z4, Z5)
	LOADROW(3, Z6, Z7)
	LOADROW(4, Z8, Z9)
	LOADROW(5, Z10, Z11)
	LOADROW(6, Z12, Z13)
	LOADROW(7, Z14, Z15)
	LOADROW(8, Z16, Z17)
	LOADROW(9, Z18, Z19)
	LOADROW(10, Z20, Z21)
	LOADROW(11, Z22, Z23)
	LOADROW(12, Z24, Z25)
	LOADROW(13, Z26, Z27)

loaded:
	CMPQ R13, $14
	JLT  some

	// invariant: row i holds its sums over all pairs but the last R12
	PCALIGN $64
all:
	VMOVUPS (CX), Z28
	VMOVUPS 64(CX), Z29
	DOTROW((AX), 0, 1)
	DOTROW((AX)(R8*1), 2, 3)
	DOTROW((AX)(R8*2), 4, 5)
	DOTROW((AX)(R9*1), 6, 7)
	DOTROW((AX)(R8*4), 8, 9)
	DOTROW((AX)(R10*1), 10, 11)
	DOTROW((AX)(R9*2), 12, 13)
	DOTROW((BX), 14, 15)
	DOTROW((BX)(R8*1), 16, 17)
	DOTROW((BX)(R8*2), 18, 19)
	DOTROW((BX)(R9*1), 20, 21)
	DOTROW((BX)(R8*4), 22, 23)
	DOTROW((BX)(R10*1), 24, 25)
	DOTROW((BX)(R9*2), 26, 27)
	ADDQ $4, AX
	ADDQ $4, BX
	ADDQ $128, CX
	DECQ R12
	JNE  all
	JMP  done

	// the same for fewer than 14 rows
some:
	VMOVUPS (CX), Z28
	VMOVUPS 64(CX), Z29
	DOTROW((AX), 0, 1)
	SOMEROW(1, (AX)(R8*1), 2, 3)
	SOMEROW(2, (AX)(R8*2), 4, 5)
	SOMEROW(3, (AX)(R9*1), 6, 7)
	SOMEROW(4, (AX)(R8*4), 8, 9)
	SOMEROW(5, (AX)(R10*1), 10, 11)
	SOMEROW(6, (AX)(R9*2), 12, 13)
	SOMEROW(7, (BX), 14, 15)
	SOMEROW(8, (BX)(R8*1), 16, 17)
	SOMEROW(9, (BX)(R8*2), 18, 19)
	SOMEROW(10, (BX)(R9*1), 20, 21)
	SOMEROW(11, (BX)(R8*4), 22, 23)
	SOMEROW(12, (BX)(R10*1), 24, 25)
somenext:
	ADDQ $4, AX
	ADDQ $4, BX
	ADDQ $128, CX
	DECQ R12
	JNE  some

done:
	MOVQ c+0(FP), DI
	STOREROW(0, Z0, Z1)
	STOREROW(1, Z2, Z3)
	STOREROW(2, Z4, Z5)
	STOREROW(3, Z6, Z7)
	STOREROW(4, Z8, Z9)
	STOREROW(5, Z10, Z11)
	STOREROW(6, Z12, Z13)
	STOREROW(7, Z14, Z15)
	STOREROW(8, Z16, Z17)
	STOREROW(9, Z18, Z19)
	STOREROW(10, Z20, Z21)
	STOREROW(11, Z22, Z23)
	STOREROW(12, Z24, Z25)
	STOREROW(13, Z26, Z27)
stored:
	VZEROUPPER
	RET
