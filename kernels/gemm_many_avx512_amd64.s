//go:build !purego

#include "textflag.h"

// func gemmMany512(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1, m, k int, acc bool)
//
// Registers: Z(4i)..Z(4i+3) = row i of C, 64 columns; Z24..Z27 = row p of B; Z28 = A(i,p) in all lanes
//   AX = &A(0,p); R8, R9, R10 = 1, 3, 5 rows of A; SI = A's step in p
//   CX, DX = row p of B and its step; R11, BX = 1, 3 times the distance of its vectors
//   R12 = steps of p left; R13 = rows; DI, R15 = row of C and its stride

#define LOADB \
	VMOVUPS (CX), Z24;         \
	VMOVUPS (CX)(R11*1), Z25;  \
	VMOVUPS (CX)(R11*2), Z26;  \
	VMOVUPS (CX)(BX*1), Z27;   \
	ADDQ    DX, CX

#define FMAROW(addr, c0, c1, c2, c3) \
	VBROADCASTSS addr, Z28;     \
	VFMADD231PS  Z24, Z28, c0;  \
	VFMADD231PS  Z25, Z28, c1;  \
	VFMADD231PS  Z26, Z28, c2;  \
	VFMADD231PS  Z27, Z28, c3

#define LOADROW(i, c0, c1, c2, c3) \
	CMPQ    R13, $i;       \
	JLE     loaded;        \
	VMOVUPS (DI), c0;      \
	VMOVUPS 64(DI), c1;    \
	VMOVUPS 128(DI), c2;   \
	VMOVUPS 192(DI), c3;   \
	ADDQ    R15, DI

#define STOREROW(i, c0, c1, c2, c3) \
	CMPQ    R13, $i;       \
	JLE     stored;        \
	VMOVUPS c0, (DI);      \
	VMOVUPS c1, 64(DI);    \
	VMOVUPS c2, 128(DI);   \
	VMOVUPS c3, 192(DI);   \
	ADDQ    R15, DI

#define SOMEROW(i, addr, c0, c1, c2, c3) \
	CMPQ R13, $i; \
	JLE  somenext; \
	FMAROW(addr, c0, c1, c2, c3)

TEXT ·gemmMany512(SB), 0, $136-81
	MOVQ c+0(FP), DI
	MOVQ ldc+8(FP), R15
	MOVQ a+16(FP), AX
	MOVQ sai+24(FP), R8
	MOVQ sap+32(FP), SI
	MOVQ b+40(FP), CX
	MOVQ ldb+48(FP), DX
	MOVQ b1+56(FP), R11
	MOVQ m+64(FP), R13
	MOVQ k+72(FP), R12
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	LEAQ (R11)(R11*2), BX

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
	CMPB   acc+80(FP), $0
	JEQ    loaded
	LOADROW(0, Z0, Z1, Z2, Z3)
	LOADROW(1, Z4, Z5, Z6, Z7)
	LOADROW(2, Z8, Z9, Z10, Z11)
	LOADROW(3, Z12, Z13, Z14, Z15)
	LOADROW(4, Z16, Z17, Z18, Z19)
	LOADROW(5, Z20, Z21, Z22, Z23)

loaded:
	CMPQ R13, $6
	JLT  some

	// invariant: row i holds its chain over the first k-R12 values of p
	PCALIGN $64
all:
	LOADB
	FMAROW((AX), Z0, Z1, Z2, Z3)
	FMAROW((AX)(R8*1), Z4, Z5, Z6, Z7)
	FMAROW((AX)(R8*2), Z8, Z9, Z10, Z11)
	FMAROW((AX)(R9*1), Z12, Z13, Z14, Z15)
	FMAROW((AX)(R8*4), Z16, Z17, Z18, Z19)
	FMAROW((AX)(R10*1), Z20, Z21, Z22, Z23)
	ADDQ SI, AX
	DECQ R12
	JNE  all
	JMP  done

	// the same for fewer than 6 rows; the branches repeat each time, so they predict well
some:
	LOADB
	FMAROW((AX), Z0, Z1, Z2, Z3)
	SOMEROW(1, (AX)(R8*1), Z4, Z5, Z6, Z7)
	SOMEROW(2, (AX)(R8*2), Z8, Z9, Z10, Z11)
	SOMEROW(3, (AX)(R9*1), Z12, Z13, Z14, Z15)
	SOMEROW(4, (AX)(R8*4), Z16, Z17, Z18, Z19)
somenext:
	ADDQ SI, AX
	DECQ R12
	JNE  some

done:
	MOVQ c+0(FP), DI
	STOREROW(0, Z0, Z1, Z2, Z3)
	STOREROW(1, Z4, Z5, Z6, Z7)
	STOREROW(2, Z8, Z9, Z10, Z11)
	STOREROW(3, Z12, Z13, Z14, Z15)
	STOREROW(4, Z16, Z17, Z18, Z19)
	STOREROW(5, Z20, Z21, Z22, Z23)
stored:
	VZEROUPPER
	RET

// func halfRows512(dst *float32, src *uint16, stride, rows int)
//
//	for r < rows, j < 64 { dst[64*r+j] = src[r,j] }
//
// stride in bytes, rows > 0.
TEXT ·halfRows512(SB), 0, $136-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), DX
	MOVQ rows+24(FP), CX

	// invariant: the rows before SI are written before DI, CX > 0 are left
row:
	VCVTPH2PS (SI), Z0
	VCVTPH2PS 32(SI), Z1
	VCVTPH2PS 64(SI), Z2
	VCVTPH2PS 96(SI), Z3
	VMOVUPS   Z0, (DI)
	VMOVUPS   Z1, 64(DI)
	VMOVUPS   Z2, 128(DI)
	VMOVUPS   Z3, 192(DI)
	ADDQ      DX, SI
	ADDQ      $256, DI
	DECQ      CX
	JNE       row
	VZEROUPPER
	RET
