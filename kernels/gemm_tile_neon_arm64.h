// The body of the NEON tiles, which differ in LOADB (B's vectors of one p into V24 to V27; V28 to V31 are free there),
// FMAROW (one row of A times them), LOADC, STOREC (one row of C) and in what SETUP, where there is one, puts into R2.
// Row i of C is V(4i) to V(4i+3).
//
// Registers:
//   R0, R1 = row of C and its stride; R3 to R8 = rows of A, R9 = p times A's step R10; F28 to F31 = A(i,p)
//   R11, R12 = B's row p and its step; R13 = rows; R14 = steps of p left

#define LOADROW(i, c0, c1, c2, c3) \
	CMP $i, R13; \
	BLE loaded; \
	LOADC(c0, c1, c2, c3); \
	ADD R1, R0

#define STOREROW(i, c0, c1, c2, c3) \
	CMP $i, R13; \
	BLE stored; \
	STOREC(c0, c1, c2, c3); \
	ADD R1, R0

#define SOMEROW(i, row, c) \
	CMP   $i, R13; \
	BLE   somenext; \
	FMOVS (row)(R9), F28; \
	FMAROW(28, c)

	MOVD c+0(FP), R0
	MOVD ldc+8(FP), R1
	MOVD a+16(FP), R3
	MOVD sai+24(FP), R2
	MOVD sap+32(FP), R10
	MOVD b+40(FP), R11
	MOVD ldb+48(FP), R12
	MOVD m+56(FP), R13
	MOVD k+64(FP), R14
	ADD  R2, R3, R4
	ADD  R2, R4, R5
	ADD  R2, R5, R6
	ADD  R2, R6, R7
	ADD  R2, R7, R8
	MOVD $0, R9
#ifdef SETUP
	SETUP
#endif

	VMOVI $0, V0.B16
	VMOVI $0, V1.B16
	VMOVI $0, V2.B16
	VMOVI $0, V3.B16
	VMOVI $0, V4.B16
	VMOVI $0, V5.B16
	VMOVI $0, V6.B16
	VMOVI $0, V7.B16
	VMOVI $0, V8.B16
	VMOVI $0, V9.B16
	VMOVI $0, V10.B16
	VMOVI $0, V11.B16
	VMOVI $0, V12.B16
	VMOVI $0, V13.B16
	VMOVI $0, V14.B16
	VMOVI $0, V15.B16
	VMOVI $0, V16.B16
	VMOVI $0, V17.B16
	VMOVI $0, V18.B16
	VMOVI $0, V19.B16
	VMOVI $0, V20.B16
	VMOVI $0, V21.B16
	VMOVI $0, V22.B16
	VMOVI $0, V23.B16
	MOVBU acc+72(FP), R15
	CBZ   R15, loaded
	LOADROW(0, V0, V1, V2, V3)
	LOADROW(1, V4, V5, V6, V7)
	LOADROW(2, V8, V9, V10, V11)
	LOADROW(3, V12, V13, V14, V15)
	LOADROW(4, V16, V17, V18, V19)
	LOADROW(5, V20, V21, V22, V23)

loaded:
	CBZ R14, done
	CMP $6, R13
	BLT some

	// invariant: row i holds its chain over the first k-R14 values of p
all:
	LOADB
	FMOVS (R3)(R9), F28
	FMOVS (R4)(R9), F29
	FMOVS (R5)(R9), F30
	FMAROW(28, 0)
	FMOVS (R6)(R9), F31
	FMAROW(29, 4)
	FMOVS (R7)(R9), F28
	FMAROW(30, 8)
	FMOVS (R8)(R9), F29
	FMAROW(31, 12)
	FMAROW(28, 16)
	FMAROW(29, 20)
	ADD   R10, R9
	ADD   R12, R11
	SUB   $1, R14
	CBNZ  R14, all
	B     done

	// the same for fewer than 6 rows; the branches repeat each time, so they predict well
some:
	LOADB
	SOMEROW(0, R3, 0)
	SOMEROW(1, R4, 4)
	SOMEROW(2, R5, 8)
	SOMEROW(3, R6, 12)
	SOMEROW(4, R7, 16)
somenext:
	ADD  R10, R9
	ADD  R12, R11
	SUB  $1, R14
	CBNZ R14, some

done:
	MOVD c+0(FP), R0
	STOREROW(0, V0, V1, V2, V3)
	STOREROW(1, V4, V5, V6, V7)
	STOREROW(2, V8, V9, V10, V11)
	STOREROW(3, V12, V13, V14, V15)
	STOREROW(4, V16, V17, V18, V19)
	STOREROW(5, V20, V21, V22, V23)
stored:
	RET
