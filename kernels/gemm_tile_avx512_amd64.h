// The body of gemmTile512, gemmTileHalf512 and gemmBF16Tile512. They differ in LOADB: B's two vectors of one p into Z28
// and Z29, K1 and K2 masking columns that do not exist; in FMAROW; and in what SETUP, where there is one, puts into R14. LOADALL is
// LOADB where all columns exist: a mere load with a mask takes an instruction's room on the ports of the products.
//
// Registers: Z(2i), Z(2i+1) = row i of C, 32 columns; Z30 = A(i,p) in all lanes.
//   AX, BX = &A(0,p), &A(7,p); R8, R9, R10 = 1, 3, 5 rows of A; SI = A's step in p
//   CX, R11 = B's row p and the distance of its second vector; DX = B's step in p
//   R12 = steps of p left; R13 = rows; DI, R15 = row of C and its stride

// FMAROW continues row i of C, c0 and c1, by A(i,p) at addr.
#ifndef FMAROW
#define FMAROW(i, addr, c0, c1) \
	VBROADCASTSS addr, Z30; \
	VFMADD231PS  Z28, Z30, c0; \
	VFMADD231PS  Z29, Z30, c1
#endif

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

#define SOMEROW(i, addr, c0, c1) \
	CMPQ R13, $i; \
	JLE  somenext; \
	FMAROW(i, addr, c0, c1)

	MOVQ  c+0(FP), DI
	MOVQ  ldc+8(FP), R15
	MOVQ  a+16(FP), AX
	MOVQ  sai+24(FP), R8
	MOVQ  sap+32(FP), SI
	MOVQ  b+40(FP), CX
	MOVQ  ldb+48(FP), DX
	MOVQ  b1+56(FP), R11
	MOVQ  m+64(FP), R13
	MOVQ  k+72(FP), R12
	MOVL  mask+80(FP), R9
	KMOVW R9, K1
	SHRL  $16, R9
	KMOVW R9, K2
	LEAQ  (R8)(R8*2), R9
	LEAQ  (R8)(R8*4), R10
	LEAQ  (AX)(R9*2), BX
	ADDQ  R8, BX
#ifdef SETUP
	SETUP
#endif

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
	CMPB   acc+84(FP), $0
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
	TESTQ R12, R12
	JEQ   done
	CMPQ  R13, $14
	JLT   some
#ifdef LOADALL
	CMPL  mask+80(FP), $-1
	JNE   some
#else
#define LOADALL LOADB
#endif

	// invariant: row i holds its chain over the first k-R12 values of p
all:
	LOADALL
	FMAROW(0, (AX), Z0, Z1)
	FMAROW(1, (AX)(R8*1), Z2, Z3)
	FMAROW(2, (AX)(R8*2), Z4, Z5)
	FMAROW(3, (AX)(R9*1), Z6, Z7)
	FMAROW(4, (AX)(R8*4), Z8, Z9)
	FMAROW(5, (AX)(R10*1), Z10, Z11)
	FMAROW(6, (AX)(R9*2), Z12, Z13)
	FMAROW(7, (BX), Z14, Z15)
	FMAROW(8, (BX)(R8*1), Z16, Z17)
	FMAROW(9, (BX)(R8*2), Z18, Z19)
	FMAROW(10, (BX)(R9*1), Z20, Z21)
	FMAROW(11, (BX)(R8*4), Z22, Z23)
	FMAROW(12, (BX)(R10*1), Z24, Z25)
	FMAROW(13, (BX)(R9*2), Z26, Z27)
	ADDQ SI, AX
	ADDQ SI, BX
	ADDQ DX, CX
	DECQ R12
	JNE  all
	JMP  done

	// the same for fewer than 14 rows, or columns that do not exist; the branches repeat each time, so they predict well
some:
	LOADB
	FMAROW(0, (AX), Z0, Z1)
	SOMEROW(1, (AX)(R8*1), Z2, Z3)
	SOMEROW(2, (AX)(R8*2), Z4, Z5)
	SOMEROW(3, (AX)(R9*1), Z6, Z7)
	SOMEROW(4, (AX)(R8*4), Z8, Z9)
	SOMEROW(5, (AX)(R10*1), Z10, Z11)
	SOMEROW(6, (AX)(R9*2), Z12, Z13)
	SOMEROW(7, (BX), Z14, Z15)
	SOMEROW(8, (BX)(R8*1), Z16, Z17)
	SOMEROW(9, (BX)(R8*2), Z18, Z19)
	SOMEROW(10, (BX)(R9*1), Z20, Z21)
	SOMEROW(11, (BX)(R8*4), Z22, Z23)
	SOMEROW(12, (BX)(R10*1), Z24, Z25)
	SOMEROW(13, (BX)(R9*2), Z26, Z27)
somenext:
	ADDQ SI, AX
	ADDQ SI, BX
	ADDQ DX, CX
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
