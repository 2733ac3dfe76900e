// unpackX: 16 rows of a format to one panel of the level's tile. The packed bytes are transposed, so that each shuffle
// moves two or more weights a byte, and decoded afterwards.
//
//	for i := range k { for r := range 16 { w[i/4][r][i%4] = code(r, i) ^ flip } }
//	for g := range k/group { for r := range 16 { s[g][r], m[g][r] = scale(r, g), min(r, g) } }
//
// Loops prefetch the 16 rows that follow in the order of the file.
//
//	R8, R9, R10, R11 the next block of rows 0, 4, 8, 12 · BX, R12 one row, three rows · R13 what is prefetched, 16 rows on
//	DI, SI, DX the block's codes, scales and minima in the tile · CX blocks left

// ARGS loads the arguments; Z31 = flip in all bytes.
#define ARGS \
	MOVQ w+0(FP), DI        \
	MOVQ s+8(FP), SI        \
	MOVQ m+16(FP), DX       \
	MOVQ src+24(FP), R8     \
	MOVQ rowBytes+32(FP), BX \
	MOVQ blocks+40(FP), CX  \
	LEAQ (BX)(BX*2), R12    \
	LEAQ (R8)(BX*4), R9     \
	LEAQ (R8)(BX*8), R10    \
	LEAQ (R9)(BX*8), R11    \
	LEAQ (R10)(BX*8), R13   \
	VPBROADCASTD flip+48(FP), Z31

// LOAD loads 16 bytes at o of each row: row i+4L is lane L of Zi.
#define LOAD(o) \
	VMOVDQU      o(R8), X0                    \
	VMOVDQU      o(R8)(BX*1), X1              \
	VMOVDQU      o(R8)(BX*2), X2              \
	VMOVDQU      o(R8)(R12*1), X3             \
	VINSERTI32X4 $1, o(R9), Z0, Z0            \
	VINSERTI32X4 $1, o(R9)(BX*1), Z1, Z1      \
	VINSERTI32X4 $1, o(R9)(BX*2), Z2, Z2      \
	VINSERTI32X4 $1, o(R9)(R12*1), Z3, Z3     \
	VINSERTI32X4 $2, o(R10), Z0, Z0           \
	VINSERTI32X4 $2, o(R10)(BX*1), Z1, Z1     \
	VINSERTI32X4 $2, o(R10)(BX*2), Z2, Z2     \
	VINSERTI32X4 $2, o(R10)(R12*1), Z3, Z3    \
	VINSERTI32X4 $3, o(R11), Z0, Z0           \
	VINSERTI32X4 $3, o(R11)(BX*1), Z1, Z1     \
	VINSERTI32X4 $3, o(R11)(BX*2), Z2, Z2     \
	VINSERTI32X4 $3, o(R11)(R12*1), Z3, Z3

// COLUMNS loads 16 bytes at o of each row and leaves dword j of all rows in Zj.
#define COLUMNS(o) \
	LOAD(o) \
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)

#define FETCH5 \
	PREFETCHT1 (R13)       \
	PREFETCHT1 64(R13)     \
	PREFETCHT1 128(R13)    \
	PREFETCHT1 192(R13)    \
	PREFETCHT1 256(R13)

#define FETCH6 FETCH5; PREFETCHT1 320(R13)
#define FETCH7 FETCH6; PREFETCHT1 384(R13)

#define BROADCAST(x, to) \
	MOVL         $x, AX  \
	VPBROADCASTD AX, to

