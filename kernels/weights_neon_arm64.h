// The bodies of this level's loops over 16 rows of weights (floatRows). They differ in COLUMN, what is done with column j of the
// step, whose rows are in the lanes of vectors; F16 and BF16 in WIDEN too, which decodes V(c) to V0 and V1.
//
// Registers: R2-R15, R19, R20 = the rows of this step; R21 = x; R22 steps left; R23 what is prefetched (dots)
//   R0, R1 = dst and its row, R24 and R25 on the way; V24, V25 = x of the step; V26 = 0; V28-V31 = the chains of four rows each

// ROWS: R2 = row 0 and R25 = the stride give the other rows.
#define ROWS \
	ADD R25, R2, R3 \
	ADD R25, R3, R4 \
	ADD R25, R4, R5 \
	ADD R25, R5, R6 \
	ADD R25, R6, R7 \
	ADD R25, R7, R8 \
	ADD R25, R8, R9 \
	ADD R25, R9, R10 \
	ADD R25, R10, R11 \
	ADD R25, R11, R12 \
	ADD R25, R12, R13 \
	ADD R25, R13, R14 \
	ADD R25, R14, R15 \
	ADD R25, R15, R19 \
	ADD R25, R19, R20

#define DOTARGS \
	MOVD dst+0(FP), R0      \
	MOVD w+8(FP), R2        \
	MOVD stride+16(FP), R25 \
	MOVD x+24(FP), R21      \
	MOVD steps+32(FP), R22  \
	MOVD next+40(FP), R23   \
	ROWS                    \
	VEOR V26.B16, V26.B16, V26.B16 \
	VEOR V28.B16, V28.B16, V28.B16 \
	VEOR V29.B16, V29.B16, V29.B16 \
	VEOR V30.B16, V30.B16, V30.B16 \
	VEOR V31.B16, V31.B16, V31.B16

#define UNPACKARGS \
	MOVD dst+0(FP), R0      \
	MOVD ldd+8(FP), R1      \
	MOVD w+16(FP), R2       \
	MOVD stride+24(FP), R25 \
	MOVD steps+32(FP), R22  \
	ROWS                    \
	VEOR V26.B16, V26.B16, V26.B16

// HALVES: 8 columns of 8 rows of 16 bits, column c in V(16+c).
#define HALVES(r0, r1, r2, r3, r4, r5, r6, r7) \
	VLD1.P 16(r0), [V0.H8] \
	VLD1.P 16(r1), [V1.H8] \
	VLD1.P 16(r2), [V2.H8] \
	VLD1.P 16(r3), [V3.H8] \
	VLD1.P 16(r4), [V4.H8] \
	VLD1.P 16(r5), [V5.H8] \
	VLD1.P 16(r6), [V6.H8] \
	VLD1.P 16(r7), [V7.H8] \
	VZIP1 V1.H8, V0.H8, V16.H8 \
	VZIP2 V1.H8, V0.H8, V17.H8 \
	VZIP1 V3.H8, V2.H8, V18.H8 \
	VZIP2 V3.H8, V2.H8, V19.H8 \
	VZIP1 V5.H8, V4.H8, V20.H8 \
	VZIP2 V5.H8, V4.H8, V21.H8 \
	VZIP1 V7.H8, V6.H8, V22.H8 \
	VZIP2 V7.H8, V6.H8, V23.H8 \
	VZIP1 V18.S4, V16.S4, V0.S4 \
	VZIP2 V18.S4, V16.S4, V1.S4 \
	VZIP1 V19.S4, V17.S4, V2.S4 \
	VZIP2 V19.S4, V17.S4, V3.S4 \
	VZIP1 V22.S4, V20.S4, V4.S4 \
	VZIP2 V22.S4, V20.S4, V5.S4 \
	VZIP1 V23.S4, V21.S4, V6.S4 \
	VZIP2 V23.S4, V21.S4, V7.S4 \
	VZIP1 V4.D2, V0.D2, V16.D2 \
	VZIP2 V4.D2, V0.D2, V17.D2 \
	VZIP1 V5.D2, V1.D2, V18.D2 \
	VZIP2 V5.D2, V1.D2, V19.D2 \
	VZIP1 V6.D2, V2.D2, V20.D2 \
	VZIP2 V6.D2, V2.D2, V21.D2 \
	VZIP1 V7.D2, V3.D2, V22.D2 \
	VZIP2 V7.D2, V3.D2, V23.D2

#define HALFCOLUMN(j, i, x, v, c, rows) \
	WIDEN(v, c)              \
	COLUMN(j, i, x, rows)

// HALFCOLUMNS is 8 columns of 8 rows, from row rows on.
#define HALFCOLUMNS(rows) \
	HALFCOLUMN(0, 0, 24, V16, 16, rows) \
	HALFCOLUMN(1, 1, 24, V17, 17, rows) \
	HALFCOLUMN(2, 2, 24, V18, 18, rows) \
	HALFCOLUMN(3, 3, 24, V19, 19, rows) \
	HALFCOLUMN(4, 0, 25, V20, 20, rows) \
	HALFCOLUMN(5, 1, 25, V21, 21, rows) \
	HALFCOLUMN(6, 2, 25, V22, 22, rows) \
	HALFCOLUMN(7, 3, 25, V23, 23, rows)

// FOUR: 4 columns of 4 rows of F32, column j in V(j).
#define FOUR(r0, r1, r2, r3) \
	VLD1.P 16(r0), [V0.S4] \
	VLD1.P 16(r1), [V1.S4] \
	VLD1.P 16(r2), [V2.S4] \
	VLD1.P 16(r3), [V3.S4] \
	VZIP1 V2.S4, V0.S4, V4.S4 \
	VZIP2 V2.S4, V0.S4, V5.S4 \
	VZIP1 V3.S4, V1.S4, V6.S4 \
	VZIP2 V3.S4, V1.S4, V7.S4 \
	VZIP1 V6.S4, V4.S4, V0.S4 \
	VZIP2 V6.S4, V4.S4, V1.S4 \
	VZIP1 V7.S4, V5.S4, V2.S4 \
	VZIP2 V7.S4, V5.S4, V3.S4

// The calls of HALVES and FOUR.
#define HALVES0 HALVES(R2, R3, R4, R5, R6, R7, R8, R9)
#define HALVES1 HALVES(R10, R11, R12, R13, R14, R15, R19, R20)
#define FOUR0 FOUR(R2, R3, R4, R5)
#define FOUR1 FOUR(R6, R7, R8, R9)
#define FOUR2 FOUR(R10, R11, R12, R13)
#define FOUR3 FOUR(R14, R15, R19, R20)
