// The body of the AVX2 tiles, which differ in LOADB (B's two vectors of one p into Y12 and Y13), in LOADC and STOREC
// (one row of C) and in what SETUP, where there is one, puts into R14.
//
// Registers: Y(2i), Y(2i+1) = row i of C, 16 columns; Y14 = A(i,p) in all lanes.
//   AX = &A(0,p); R8, R9, R10 = 1, 3, 5 rows of A; SI = A's step in p
//   CX, R11 = B's row p and the distance of its second vector; DX = B's step in p; BX = the mask of the 16 columns
//   R12 = steps of p left; R13 = rows; DI, R15 = row of C and its stride

#define FMAROW(addr, c0, c1) \
	VBROADCASTSS addr, Y14; \
	VFMADD231PS  Y12, Y14, c0; \
	VFMADD231PS  Y13, Y14, c1

#define LOADROW(i, c0, c1) \
	CMPQ R13, $i; \
	JLE  loaded; \
	LOADC(c0, c1); \
	ADDQ R15, DI

#define STOREROW(i, c0, c1) \
	CMPQ R13, $i; \
	JLE  stored; \
	STOREC(c0, c1); \
	ADDQ R15, DI

#define SOMEROW(i, addr, c0, c1) \
	CMPQ R13, $i; \
	JLE  somenext; \
	FMAROW(addr, c0, c1)

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
	MOVQ mask+80(FP), BX
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
#ifdef SETUP
	SETUP
#endif

	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	CMPB   acc+88(FP), $0
	JEQ    loaded
	LOADROW(0, Y0, Y1)
	LOADROW(1, Y2, Y3)
	LOADROW(2, Y4, Y5)
	LOADROW(3, Y6, Y7)
	LOADROW(4, Y8, Y9)
	LOADROW(5, Y10, Y11)

loaded:
	TESTQ R12, R12
	JEQ   done
	CMPQ  R13, $6
	JLT   some

	// invariant: row i holds its chain over the first k-R12 values of p
all:
	LOADB
	FMAROW((AX), Y0, Y1)
	FMAROW((AX)(R8*1), Y2, Y3)
	FMAROW((AX)(R8*2), Y4, Y5)
	FMAROW((AX)(R9*1), Y6, Y7)
	FMAROW((AX)(R8*4), Y8, Y9)
	FMAROW((AX)(R10*1), Y10, Y11)
	ADDQ SI, AX
	ADDQ DX, CX
	DECQ R12
	JNE  all
	JMP  done

	// the same for fewer than 6 rows; the branches repeat each time, so they predict well
some:
	LOADB
	FMAROW((AX), Y0, Y1)
	SOMEROW(1, (AX)(R8*1), Y2, Y3)
	SOMEROW(2, (AX)(R8*2), Y4, Y5)
	SOMEROW(3, (AX)(R9*1), Y6, Y7)
	SOMEROW(4, (AX)(R8*4), Y8, Y9)
somenext:
	ADDQ SI, AX
	ADDQ DX, CX
	DECQ R12
	JNE  some

done:
	MOVQ c+0(FP), DI
	STOREROW(0, Y0, Y1)
	STOREROW(1, Y2, Y3)
	STOREROW(2, Y4, Y5)
	STOREROW(3, Y6, Y7)
	STOREROW(4, Y8, Y9)
	STOREROW(5, Y10, Y11)
stored:
	VZEROUPPER
	RET
