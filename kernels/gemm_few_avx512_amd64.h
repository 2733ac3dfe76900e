// The body of the tiles of few rows: C of up to 4 rows and 64 columns, all of which exist. They differ in LOADB (B's
// four vectors of one p into Z20 to Z23, and what is prefetched) and in what SETUP, where there is one, puts into R14.
// Each B is read once, from memory, so its lines are asked for ahead; and with few rows a tile of 32 columns would wait
// for its own chains.
//
// Registers: Z(4i) to Z(4i+3) = row i of C; Z24 = A(i,p) in all lanes.
//   AX = &A(0,p); R8, R9 = 1, 3 rows of A; SI = A's step in p
//   CX = B's row p, R11, BX = the distances of its second and fourth vector; DX = B's step in p
//   R10 = the next line to ask for, R13 further at each step, R15 further after each eighth; R12 = steps of p left
// Before the loop and after it R13 = rows; DI, R15 = row of C and its stride.

#define FMAROW(addr, c0, c1, c2, c3) \
	VBROADCASTSS addr, Z24; \
	VFMADD231PS  Z20, Z24, c0; \
	VFMADD231PS  Z21, Z24, c1; \
	VFMADD231PS  Z22, Z24, c2; \
	VFMADD231PS  Z23, Z24, c3

#define FMAROW0 FMAROW((AX), Z0, Z1, Z2, Z3)
#define FMAROW1 FMAROW((AX)(R8*1), Z4, Z5, Z6, Z7)
#define FMAROW2 FMAROW((AX)(R8*2), Z8, Z9, Z10, Z11)
#define FMAROW3 FMAROW((AX)(R9*1), Z12, Z13, Z14, Z15)

#define NEXT \
	ADDQ SI, AX; \
	ADDQ DX, CX; \
	ADDQ R13, R10; \
	DECQ R12; \
	TESTQ $7, R12

#define NEXTROUND \
	ADDQ  R15, R10; \
	TESTQ R12, R12

#define LOADROW(i, c0, c1, c2, c3) \
	CMPQ    R13, $i; \
	JLE     loaded; \
	VMOVUPS (DI), c0; \
	VMOVUPS 64(DI), c1; \
	VMOVUPS 128(DI), c2; \
	VMOVUPS 192(DI), c3; \
	ADDQ    R15, DI

#define STOREROW(i, c0, c1, c2, c3) \
	CMPQ    R13, $i; \
	JLE     stored; \
	VMOVUPS c0, (DI); \
	VMOVUPS c1, 64(DI); \
	VMOVUPS c2, 128(DI); \
	VMOVUPS c3, 192(DI); \
	ADDQ    R15, DI

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
	MOVQ at+88(FP), R10
	LEAQ (R8)(R8*2), R9
	LEAQ (R11)(R11*2), BX
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
	CMPB   acc+80(FP), $0
	JEQ    loaded
	LOADROW(0, Z0, Z1, Z2, Z3)
	LOADROW(1, Z4, Z5, Z6, Z7)
	LOADROW(2, Z8, Z9, Z10, Z11)
	LOADROW(3, Z12, Z13, Z14, Z15)

	// invariant of all four loops: row i holds its chain over the first k-R12 values of p; R12 > 0
loaded:
	MOVQ R13, DI
	MOVQ run+96(FP), R13
	MOVQ back+104(FP), R15
	CMPQ DI, $2
	JLT  one
	JEQ  two
	CMPQ DI, $4
	JLT  three

four:
	LOADB
	FMAROW0
	FMAROW1
	FMAROW2
	FMAROW3
	NEXT
	JNE four
	NEXTROUND
	JNE four
	JMP done

three:
	LOADB
	FMAROW0
	FMAROW1
	FMAROW2
	NEXT
	JNE three
	NEXTROUND
	JNE three
	JMP done

two:
	LOADB
	FMAROW0
	FMAROW1
	NEXT
	JNE two
	NEXTROUND
	JNE two
	JMP done

one:
	LOADB
	FMAROW0
	NEXT
	JNE one
	NEXTROUND
	JNE one

done:
	MOVQ m+64(FP), R13
	MOVQ c+0(FP), DI
	MOVQ ldc+8(FP), R15
	STOREROW(0, Z0, Z1, Z2, Z3)
	STOREROW(1, Z4, Z5, Z6, Z7)
	STOREROW(2, Z8, Z9, Z10, Z11)
	STOREROW(3, Z12, Z13, Z14, Z15)
stored:
	VZEROUPPER
	RET
