//go:build !purego

#include "textflag.h"

// func gemmWide512(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb int, m, k int, mask uint64, acc bool)
//
// 9 rows of 3 vectors need 12 loads for 27 products; the 14 of 2 of gemmTile512 need 16 for 28, and the loads are what
// runs out (bench/LOG.md).
//
// Registers: Z(3i)..Z(3i+2) = row i of C, 48 columns; Z27..Z29 = row p of B; Z30 = A(i,p) in all lanes;
//   K1..K3 mask columns that do not exist
//   AX = &A(0,p); R8, R9, R10, BX = 1, 3, 5, 7 rows of A; SI = A's step in p
//   CX, DX = row p of B and its step; R12 = steps of p left; R13 = rows; DI, R15 = row of C and its stride

#define LOADB \
	VMOVUPS (CX), Z27;    \
	VMOVUPS 64(CX), Z28;  \
	VMOVUPS 128(CX), Z29; \
	ADDQ    DX, CX

#define LOADSOME \
	VMOVUPS.Z (CX), K1, Z27;    \
	VMOVUPS.Z 64(CX), K2, Z28;  \
	VMOVUPS.Z 128(CX), K3, Z29; \
	ADDQ      DX, CX

#define FMAROW(addr, c0, c1, c2) \
	VBROADCASTSS addr, Z30; \
	VFMADD231PS  Z27, Z30, c0; \
	VFMADD231PS  Z28, Z30, c1; \
	VFMADD231PS  Z29, Z30, c2

#define LOADROW(i, c0, c1, c2) \
	CMPQ      R13, $i; \
	JLE       loaded; \
	VMOVUPS.Z (DI), K1, c0; \
	VMOVUPS.Z 64(DI), K2, c1; \
	VMOVUPS.Z 128(DI), K3, c2; \
	ADDQ      R15, DI

#define STOREROW(i, c0, c1, c2) \
	CMPQ    R13, $i; \
	JLE     stored; \
	VMOVUPS c0, K1, (DI); \
	VMOVUPS c1, K2, 64(DI); \
	VMOVUPS c2, K3, 128(DI); \
	ADDQ    R15, DI

#define SOMEROW(i, addr, c0, c1, c2) \
	CMPQ R13, $i; \
	JLE  somenext; \
	FMAROW(addr, c0, c1, c2)

TEXT ·gemmWide512(SB), 0, $136-81
	MOVQ  c+0(FP), DI
	MOVQ  ldc+8(FP), R15
	MOVQ  a+16(FP), AX
	MOVQ  sai+24(FP), R8
	MOVQ  sap+32(FP), SI
	MOVQ  b+40(FP), CX
	MOVQ  ldb+48(FP), DX
	MOVQ  m+56(FP), R13
	MOVQ  k+64(FP), R12
	MOVQ  mask+72(FP), R9
	KMOVW R9, K1
	SHRQ  $16, R9
	KMOVW R9, K2
	SHRQ  $16, R9
	KMOVW R9, K3
	LEAQ  (R8)(R8*2), R9
	LEAQ  (R8)(R8*4), R10
	LEAQ  (R9)(R8*4), BX

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
	CMPB   acc+80(FP), $0
	JEQ    loaded
	LOADROW(0, Z0, Z1, Z2)
	LOADROW(1, Z3, Z4, Z5)
	LOADROW(2, Z6, Z7, Z8)
	LOADROW(3, Z9, Z10, Z11)
	LOADROW(4, Z12, Z13, Z14)
	LOADROW(5, Z15, Z16, Z17)
	LOADROW(6, Z18, Z19, Z20)
	LOADROW(7, Z21, Z22, Z23)
	LOADROW(8, Z24, Z25, Z26)

loaded:
	TESTQ R12, R12
	JEQ   done
	CMPQ  R13, $9
	JLT   some
	KMOVW K3, R14
	CMPL  R14, $0xffff
	JNE   some

	LEAQ  (AX)(R8*8), R14
	ADDQ  R8, R14
	MOVQ  R8, R13
	SHLQ  $4, R13
	SUBQ  $64, R13

	// invariant: row i holds its chain over the first k-R12 values of p; R14 walks down the rows that follow those of A, 16 of a
	// line's width and then those of the next, R13 leads back: the next tile finds them in the first-level cache
	PCALIGN $64
all:
	PREFETCHT0 (R14)
	ADDQ  R8, R14
	LOADB
	FMAROW((AX), Z0, Z1, Z2)
	FMAROW((AX)(R8*1), Z3, Z4, Z5)
	FMAROW((AX)(R8*2), Z6, Z7, Z8)
	FMAROW((AX)(R9*1), Z9, Z10, Z11)
	FMAROW((AX)(R8*4), Z12, Z13, Z14)
	FMAROW((AX)(R10*1), Z15, Z16, Z17)
	FMAROW((AX)(R9*2), Z18, Z19, Z20)
	FMAROW((AX)(BX*1), Z21, Z22, Z23)
	FMAROW((AX)(R8*8), Z24, Z25, Z26)
	ADDQ SI, AX
	DECQ R12
	TESTQ $15, R12
	JNE  all
	SUBQ R13, R14
	TESTQ R12, R12
	JNE  all
	MOVQ m+56(FP), R13
	JMP  done

	// the same for fewer than 9 rows or 48 columns; the branches repeat each time, so they predict well. Loads with a mask take an
	// instruction's room on the ports of the products, which is why the loop above has none.
some:
	LOADSOME
	FMAROW((AX), Z0, Z1, Z2)
	SOMEROW(1, (AX)(R8*1), Z3, Z4, Z5)
	SOMEROW(2, (AX)(R8*2), Z6, Z7, Z8)
	SOMEROW(3, (AX)(R9*1), Z9, Z10, Z11)
	SOMEROW(4, (AX)(R8*4), Z12, Z13, Z14)
	SOMEROW(5, (AX)(R10*1), Z15, Z16, Z17)
	SOMEROW(6, (AX)(R9*2), Z18, Z19, Z20)
	SOMEROW(7, (AX)(BX*1), Z21, Z22, Z23)
	SOMEROW(8, (AX)(R8*8), Z24, Z25, Z26)
somenext:
	ADDQ SI, AX
	DECQ R12
	JNE  some

done:
	MOVQ c+0(FP), DI
	STOREROW(0, Z0, Z1, Z2)
	STOREROW(1, Z3, Z4, Z5)
	STOREROW(2, Z6, Z7, Z8)
	STOREROW(3, Z9, Z10, Z11)
	STOREROW(4, Z12, Z13, Z14)
	STOREROW(5, Z15, Z16, Z17)
	STOREROW(6, Z18, Z19, Z20)
	STOREROW(7, Z21, Z22, Z23)
	STOREROW(8, Z24, Z25, Z26)
stored:
	VZEROUPPER
	RET
