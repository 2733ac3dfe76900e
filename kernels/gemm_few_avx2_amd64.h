// The body of the AVX2 tiles of few rows: C of up to 3 rows and 32 columns, all of which exist. They differ in LOADB
// (one of B's four vectors of one p into Y12; before the first, what is asked for ahead) and in what SETUP, where there
// is one, puts into R14. See gemm_few_avx512_amd64.h.
//
// Registers: Y(4i) to Y(4i+3) = row i of C; Y13 to Y15 = A(i,p) in all lanes.
//   AX = &A(0,p); R8 = a row of A; SI = A's step in p
//   CX = B's row p, R11 = the distance of its second half; DX = B's step in p; HALF = bytes of 8 values of B
//   R10, R12, R13, R15, DI = as there

#define A0 VBROADCASTSS (AX), Y13
#define A1 VBROADCASTSS (AX)(R8*1), Y14
#define A2 VBROADCASTSS (AX)(R8*2), Y15

#define FMA1(c0) VFMADD231PS Y12, Y13, c0
#define FMA2(c0, c1) FMA1(c0); VFMADD231PS Y12, Y14, c1
#define FMA3(c0, c1, c2) FMA2(c0, c1); VFMADD231PS Y12, Y15, c2

#define NEXT \
	ADDQ SI, AX; \
	ADDQ DX, CX; \
	ADDQ R13, R10; \
	STEP \
	DECQ R12; \
	TESTQ $7, R12

#define NEXTROUND \
	ADDQ  R15, R10; \
	TESTQ R12, R12

#define LOADROW(i, c0, c1, c2, c3) \
	CMPQ    R13, $i; \
	JLE     loaded; \
	VMOVUPS (DI), c0; \
	VMOVUPS 32(DI), c1; \
	VMOVUPS 64(DI), c2; \
	VMOVUPS 96(DI), c3; \
	ADDQ    R15, DI

#define STOREROW(i, c0, c1, c2, c3) \
	CMPQ    R13, $i; \
	JLE     stored; \
	VMOVUPS c0, (DI); \
	VMOVUPS c1, 32(DI); \
	VMOVUPS c2, 64(DI); \
	VMOVUPS c3, 96(DI); \
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
	CMPB   acc+80(FP), $0
	JEQ    loaded
	LOADROW(0, Y0, Y1, Y2, Y3)
	LOADROW(1, Y4, Y5, Y6, Y7)
	LOADROW(2, Y8, Y9, Y10, Y11)

	// invariant of the three loops: row i holds its chain over the first k-R12 values of p; R12 > 0
loaded:
	MOVQ R13, DI
	MOVQ run+96(FP), R13
	MOVQ back+104(FP), R15
	CMPQ DI, $2
	JLT  one
	JEQ  two

three:
	PREFETCHT1 (R10)
	A0
	A1
	A2
	LOADB((CX), 0)
	FMA3(Y0, Y4, Y8)
	LOADB(HALF(CX), 1)
	FMA3(Y1, Y5, Y9)
	LOADB((CX)(R11*1), 2)
	FMA3(Y2, Y6, Y10)
	LOADB(HALF(CX)(R11*1), 3)
	FMA3(Y3, Y7, Y11)
	NEXT
	JNE three
	NEXTROUND
	JNE three
	JMP done

two:
	PREFETCHT1 (R10)
	A0
	A1
	LOADB((CX), 0)
	FMA2(Y0, Y4)
	LOADB(HALF(CX), 1)
	FMA2(Y1, Y5)
	LOADB((CX)(R11*1), 2)
	FMA2(Y2, Y6)
	LOADB(HALF(CX)(R11*1), 3)
	FMA2(Y3, Y7)
	NEXT
	JNE two
	NEXTROUND
	JNE two
	JMP done

one:
	PREFETCHT1 (R10)
	A0
	LOADB((CX), 0)
	FMA1(Y0)
	LOADB(HALF(CX), 1)
	FMA1(Y1)
	LOADB((CX)(R11*1), 2)
	FMA1(Y2)
	LOADB(HALF(CX)(R11*1), 3)
	FMA1(Y3)
	NEXT
	JNE one
	NEXTROUND
	JNE one

done:
	MOVQ m+64(FP), R13
	MOVQ c+0(FP), DI
	MOVQ ldc+8(FP), R15
	STOREROW(0, Y0, Y1, Y2, Y3)
	STOREROW(1, Y4, Y5, Y6, Y7)
	STOREROW(2, Y8, Y9, Y10, Y11)
stored:
	VZEROUPPER
	RET
