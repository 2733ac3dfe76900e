// The bodies of this level's loops over 16 rows of weights (floatRows). They differ in COLUMN, what is done with column j of the
// step, whose rows 0-7 and 8-15 are in the lanes of two vectors; in FETCH, which prefetches; F16 and BF16 in WIDEN too, which decodes 8 values.
//
// Registers: AX, BX, CX, DX rows 0, 4, 8, 12 of this step; R8, R9 one and three rows; R10 steps left; R11 what is prefetched (dots)
//   SI = x; DI, R13 = dst and its row; Y14, Y15 = the chains of rows 0-7 and 8-15, at 512(R12) while columns are transposed
//   R12 = room for the step's columns, transposed but not decoded: of rows 0-7, then of rows 8-15, then the chains

#define START \
	LEAQ (R8)(R8*2), R9     \
	LEAQ (AX)(R8*4), BX     \
	LEAQ (AX)(R8*8), CX     \
	LEAQ (BX)(R8*8), DX     \
	LEAQ room-648(SP), R12  \
	ADDQ $63, R12           \
	ANDQ $~63, R12          \
	VXORPS Y14, Y14, Y14    \
	VXORPS Y15, Y15, Y15

#define DOTARGS \
	MOVQ dst+0(FP), DI     \
	MOVQ w+8(FP), AX       \
	MOVQ stride+16(FP), R8 \
	MOVQ x+24(FP), SI      \
	MOVQ steps+32(FP), R10 \
	MOVQ next+40(FP), R11  \
	START

#define UNPACKARGS \
	MOVQ dst+0(FP), DI     \
	MOVQ ldd+8(FP), R13    \
	MOVQ w+16(FP), AX      \
	MOVQ stride+24(FP), R8 \
	MOVQ steps+32(FP), R10 \
	START

#define ADVANCE(bytes) \
	ADDQ $bytes, AX    \
	ADDQ $bytes, BX    \
	ADDQ $bytes, CX    \
	ADDQ $bytes, DX

// HALVES stores 16 columns of 8 rows of 16 bits, four from p and four from q, at R12, column by column: 0, 8, 1, 9, ...
#define HALVES(p, q, at) \
	VMOVDQU     (p), Y0         \
	VMOVDQU     (p)(R8*1), Y1   \
	VMOVDQU     (p)(R8*2), Y2   \
	VMOVDQU     (p)(R9*1), Y3   \
	VMOVDQU     (q), Y4         \
	VMOVDQU     (q)(R8*1), Y5   \
	VMOVDQU     (q)(R8*2), Y6   \
	VMOVDQU     (q)(R9*1), Y7   \
	VPUNPCKLWD  Y1, Y0, Y8      \
	VPUNPCKHWD  Y1, Y0, Y9      \
	VPUNPCKLWD  Y3, Y2, Y10     \
	VPUNPCKHWD  Y3, Y2, Y11     \
	VPUNPCKLWD  Y5, Y4, Y12     \
	VPUNPCKHWD  Y5, Y4, Y13     \
	VPUNPCKLWD  Y7, Y6, Y14     \
	VPUNPCKHWD  Y7, Y6, Y15     \
	VPUNPCKLDQ  Y10, Y8, Y0     \
	VPUNPCKHDQ  Y10, Y8, Y1     \
	VPUNPCKLDQ  Y11, Y9, Y2     \
	VPUNPCKHDQ  Y11, Y9, Y3     \
	VPUNPCKLDQ  Y14, Y12, Y4    \
	VPUNPCKHDQ  Y14, Y12, Y5    \
	VPUNPCKLDQ  Y15, Y13, Y6    \
	VPUNPCKHDQ  Y15, Y13, Y7    \
	VPUNPCKLQDQ Y4, Y0, Y8      \
	VPUNPCKHQDQ Y4, Y0, Y9      \
	VPUNPCKLQDQ Y5, Y1, Y10     \
	VPUNPCKHQDQ Y5, Y1, Y11     \
	VPUNPCKLQDQ Y6, Y2, Y12     \
	VPUNPCKHQDQ Y6, Y2, Y13     \
	VPUNPCKLQDQ Y7, Y3, Y14     \
	VPUNPCKHQDQ Y7, Y3, Y15     \
	VMOVDQU     Y8, (at)(R12)   \
	VMOVDQU     Y9, (at+32)(R12)   \
	VMOVDQU     Y10, (at+64)(R12)  \
	VMOVDQU     Y11, (at+96)(R12)  \
	VMOVDQU     Y12, (at+128)(R12) \
	VMOVDQU     Y13, (at+160)(R12) \
	VMOVDQU     Y14, (at+192)(R12) \
	VMOVDQU     Y15, (at+224)(R12)

// HALFSTEP is 16 columns.
#define HALFSTEP \
	VMOVUPS Y14, 512(R12)  \
	VMOVUPS Y15, 544(R12)  \
	HALVES(AX, BX, 0)      \
	HALVES(CX, DX, 256)    \
	VMOVUPS 512(R12), Y14  \
	VMOVUPS 544(R12), Y15  \
	HALFCOLUMN(0, 0)       \
	HALFCOLUMN(1, 32)      \
	FETCH(0)              \
	HALFCOLUMN(2, 64)      \
	HALFCOLUMN(3, 96)      \
	FETCH(64)              \
	HALFCOLUMN(4, 128)     \
	HALFCOLUMN(5, 160)     \
	FETCH(128)              \
	HALFCOLUMN(6, 192)     \
	HALFCOLUMN(7, 224)     \
	FETCH(192)              \
	HALFCOLUMN(8, 16)      \
	HALFCOLUMN(9, 48)      \
	FETCH(256)              \
	HALFCOLUMN(10, 80)     \
	HALFCOLUMN(11, 112)    \
	FETCH(320)              \
	HALFCOLUMN(12, 144)    \
	HALFCOLUMN(13, 176)    \
	FETCH(384)              \
	HALFCOLUMN(14, 208)    \
	HALFCOLUMN(15, 240)    \
	FETCH(448)              \
	ADVANCE(32)

#define HALFCOLUMN(j, at) \
	WIDEN((at)(R12), Y0)     \
	WIDEN((at+256)(R12), Y1) \
	COLUMN(j, Y0, Y1)

// FOUR: 4 columns of 8 rows of F32, four from p and four from q; column j in yj.
#define FOUR(p, q, x0, y0, x1, y1, x2, y2, x3, y3, t0, t1, t2, t3) \
	VMOVUPS     (p), x0                 \
	VMOVUPS     (p)(R8*1), x1           \
	VMOVUPS     (p)(R8*2), x2           \
	VMOVUPS     (p)(R9*1), x3           \
	VINSERTF128 $1, (q), y0, y0         \
	VINSERTF128 $1, (q)(R8*1), y1, y1   \
	VINSERTF128 $1, (q)(R8*2), y2, y2   \
	VINSERTF128 $1, (q)(R9*1), y3, y3   \
	VUNPCKLPS   y1, y0, t0              \
	VUNPCKHPS   y1, y0, t1              \
	VUNPCKLPS   y3, y2, t2              \
	VUNPCKHPS   y3, y2, t3              \
	VUNPCKLPD   t2, t0, y0              \
	VUNPCKHPD   t2, t0, y1              \
	VUNPCKLPD   t3, t1, y2              \
	VUNPCKHPD   t3, t1, y3

// FULLSTEP is 4 columns of F32.
#define FULLSTEP \
	FOUR(AX, BX, X0, Y0, X1, Y1, X2, Y2, X3, Y3, Y8, Y9, Y10, Y11) \
	FOUR(CX, DX, X4, Y4, X5, Y5, X6, Y6, X7, Y7, Y8, Y9, Y10, Y11) \
	COLUMN(0, Y0, Y4)     \
	FETCH(0)             \
	COLUMN(1, Y1, Y5)     \
	FETCH(64)             \
	COLUMN(2, Y2, Y6)     \
	FETCH(128)             \
	COLUMN(3, Y3, Y7)     \
	FETCH(192)             \
	ADVANCE(16)
