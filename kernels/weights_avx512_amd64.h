// The bodies of this level's loops over 16 rows of weights (floatRows). They differ in COLUMN, what is done with column j
// of the step, whose 16 rows are in the lanes of a vector; in FETCH, which prefetches; F16 and BF16 in WIDEN too, which decodes 16 values.
//
// Registers: AX, BX, CX, DX rows 0, 4, 8, 12 of this step; R8, R9 one and three rows; R10 steps left; R11 what is prefetched (dots)
//   SI = x; DI, R13 = dst and its row; Z31 = the chains
//   R12 = room for the step's columns, transposed but not decoded

#define START \
	LEAQ (R8)(R8*2), R9    \
	LEAQ (AX)(R8*4), BX    \
	LEAQ (AX)(R8*8), CX    \
	LEAQ (BX)(R8*8), DX

#define DOTARGS \
	MOVQ dst+0(FP), DI     \
	MOVQ w+8(FP), AX       \
	MOVQ stride+16(FP), R8 \
	MOVQ x+24(FP), SI      \
	MOVQ steps+32(FP), R10 \
	MOVQ next+40(FP), R11  \
	VPXORD Z31, Z31, Z31   \
	START

#define UNPACKARGS \
	MOVQ dst+0(FP), DI     \
	MOVQ ldd+8(FP), R13    \
	MOVQ w+16(FP), AX      \
	MOVQ stride+24(FP), R8 \
	MOVQ steps+32(FP), R10 \
	START

#define ADVANCE(bytes) \
	ADDQ $bytes, AX     \
	ADDQ $bytes, BX     \
	ADDQ $bytes, CX     \
	ADDQ $bytes, DX

// ROOM: R12 = 512 bytes at a cache line.
#define ROOM \
	LEAQ room-584(SP), R12 \
	ADDQ $63, R12          \
	ANDQ $~63, R12

// EIGHT: 16 columns of rows r and r+8, in lanes: 0-7 of r, 0-7 of r+8, 8-15 of r, 8-15 of r+8.
#define EIGHT(r, r8, y, z) \
	VMOVDQU      r, y           \
	VINSERTI64X4 $1, r8, z, z   \
	VSHUFI64X2   $0xd8, z, z, z

// HALVES stores 16 columns of 16 rows of 16 bits at R12, column by column: 0, 8, 1, 9, ...
#define HALVES \
	EIGHT((AX), (CX), Y0, Z0)             \
	EIGHT((AX)(R8*1), (CX)(R8*1), Y1, Z1) \
	EIGHT((AX)(R8*2), (CX)(R8*2), Y2, Z2) \
	EIGHT((AX)(R9*1), (CX)(R9*1), Y3, Z3) \
	EIGHT((BX), (DX), Y4, Z4)             \
	EIGHT((BX)(R8*1), (DX)(R8*1), Y5, Z5) \
	EIGHT((BX)(R8*2), (DX)(R8*2), Y6, Z6) \
	EIGHT((BX)(R9*1), (DX)(R9*1), Y7, Z7) \
	VPUNPCKLWD  Z1, Z0, Z8    \
	VPUNPCKHWD  Z1, Z0, Z9    \
	VPUNPCKLWD  Z3, Z2, Z10   \
	VPUNPCKHWD  Z3, Z2, Z11   \
	VPUNPCKLWD  Z5, Z4, Z12   \
	VPUNPCKHWD  Z5, Z4, Z13   \
	VPUNPCKLWD  Z7, Z6, Z14   \
	VPUNPCKHWD  Z7, Z6, Z15   \
	VPUNPCKLDQ  Z10, Z8, Z0   \
	VPUNPCKHDQ  Z10, Z8, Z1   \
	VPUNPCKLDQ  Z11, Z9, Z2   \
	VPUNPCKHDQ  Z11, Z9, Z3   \
	VPUNPCKLDQ  Z14, Z12, Z4  \
	VPUNPCKHDQ  Z14, Z12, Z5  \
	VPUNPCKLDQ  Z15, Z13, Z6  \
	VPUNPCKHDQ  Z15, Z13, Z7  \
	VPUNPCKLQDQ Z4, Z0, Z8    \
	VPUNPCKHQDQ Z4, Z0, Z9    \
	VPUNPCKLQDQ Z5, Z1, Z10   \
	VPUNPCKHQDQ Z5, Z1, Z11   \
	VPUNPCKLQDQ Z6, Z2, Z12   \
	VPUNPCKHQDQ Z6, Z2, Z13   \
	VPUNPCKLQDQ Z7, Z3, Z14   \
	VPUNPCKHQDQ Z7, Z3, Z15   \
	VMOVDQU64   Z8, (R12)     \
	VMOVDQU64   Z9, 64(R12)   \
	VMOVDQU64   Z10, 128(R12) \
	VMOVDQU64   Z11, 192(R12) \
	VMOVDQU64   Z12, 256(R12) \
	VMOVDQU64   Z13, 320(R12) \
	VMOVDQU64   Z14, 384(R12) \
	VMOVDQU64   Z15, 448(R12)

// HALFSTEP is 16 columns.
#define HALFSTEP \
	HALVES \
	HALFCOLUMN(0, 0) \
	HALFCOLUMN(1, 64) \
	FETCH(0) \
	HALFCOLUMN(2, 128) \
	HALFCOLUMN(3, 192) \
	FETCH(64) \
	HALFCOLUMN(4, 256) \
	HALFCOLUMN(5, 320) \
	FETCH(128) \
	HALFCOLUMN(6, 384) \
	HALFCOLUMN(7, 448) \
	FETCH(192) \
	HALFCOLUMN(8, 32) \
	HALFCOLUMN(9, 96) \
	FETCH(256) \
	HALFCOLUMN(10, 160) \
	HALFCOLUMN(11, 224) \
	FETCH(320) \
	HALFCOLUMN(12, 288) \
	HALFCOLUMN(13, 352) \
	FETCH(384) \
	HALFCOLUMN(14, 416) \
	HALFCOLUMN(15, 480) \
	FETCH(448) \
	ADVANCE(32)

#define HALFCOLUMN(j, at) \
	WIDEN(at(R12), Z0)    \
	COLUMN(j, Z0)

// FOUR: four columns of rows r, r+4, r+8, r+12, one row a lane.
#define FOUR(a, b, c, d, x, z) \
	VMOVUPS         a, x     \
	VBROADCASTF32X4 b, K1, z \
	VBROADCASTF32X4 c, K2, z \
	VBROADCASTF32X4 d, K3, z

#define LANEMASKS \
	MOVL  $0x00f0, R12 \
	KMOVW R12, K1      \
	MOVL  $0x0f00, R12 \
	KMOVW R12, K2      \
	MOVL  $0xf000, R12 \
	KMOVW R12, K3

// FULLSTEP is 4 columns of F32.
#define FULLSTEP \
	FOUR((AX), (BX), (CX), (DX), X0, Z0)                             \
	FOUR((AX)(R8*1), (BX)(R8*1), (CX)(R8*1), (DX)(R8*1), X1, Z1)     \
	FOUR((AX)(R8*2), (BX)(R8*2), (CX)(R8*2), (DX)(R8*2), X2, Z2)     \
	FOUR((AX)(R9*1), (BX)(R9*1), (CX)(R9*1), (DX)(R9*1), X3, Z3)     \
	VUNPCKLPS Z1, Z0, Z4  \
	VUNPCKHPS Z1, Z0, Z5  \
	VUNPCKLPS Z3, Z2, Z6  \
	VUNPCKHPS Z3, Z2, Z7  \
	VUNPCKLPD Z6, Z4, Z0  \
	VUNPCKHPD Z6, Z4, Z1  \
	VUNPCKLPD Z7, Z5, Z2  \
	VUNPCKHPD Z7, Z5, Z3  \
	COLUMN(0, Z0) \
	FETCH(0)            \
	COLUMN(1, Z1) \
	FETCH(64)            \
	COLUMN(2, Z2) \
	FETCH(128)            \
	COLUMN(3, Z3) \
	FETCH(192)            \
	ADVANCE(16)
