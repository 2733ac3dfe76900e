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

// HEAD leaves the first two dwords of each row's block in Z8 and Z9.
#define HEAD \
	LOAD(0)                   \
	VPUNPCKLDQ  Z1, Z0, Z4    \
	VPUNPCKLDQ  Z3, Z2, Z5    \
	VPUNPCKLQDQ Z5, Z4, Z8    \
	VPUNPCKHQDQ Z5, Z4, Z9

// SCALE stores the f16 in the lower half of Z8.
#define SCALE(to) \
	VPMOVDW   Z8, Y4     \
	VCVTPH2PS Y4, Z4     \
	VMOVUPS   Z4, (to)   \
	ADDQ      $128, to

// NEXT ends a block of 32.
#define NEXT(bytes) \
	ADDQ $bytes, R8        \
	ADDQ $bytes, R9        \
	ADDQ $bytes, R10       \
	ADDQ $bytes, R11       \
	ADDQ $(16*bytes), R13  \
	ADDQ $512, DI          \
	DECQ CX                \
	JNZ  loop              \
	VZEROUPPER             \
	RET

// NEXT_K ends a block of 256.
#define NEXT_K(bytes, groups) \
	ADDQ $bytes, R8         \
	ADDQ $bytes, R9         \
	ADDQ $bytes, R10        \
	ADDQ $bytes, R11        \
	ADDQ $4096, DI          \
	ADDQ $(128*groups), SI  \
	ADDQ $(128*groups), DX  \
	DECQ CX                 \
	JNZ  loop               \
	VZEROUPPER              \
	RET

// PRODUCT stores float(v)*by, v whole numbers.
#define PRODUCT(v, by, to) \
	VCVTDQ2PS v, v     \
	VMULPS    by, v, v \
	VMOVUPS   v, to

// BYTEOF: v = byte i of each dword of q.
#define BYTEOF(i, q, v) \
	VPSRLD $(8*i), q, v \
	VPANDD Z29, v, v

// SIGNED stores d times byte i of q, signed.
#define SIGNED(g, i, q) \
	VPSLLD $(24-8*i), q, Z4          \
	VPSRAD $24, Z4, Z4               \
	PRODUCT(Z4, Z8, (128*(g+i))(SI))

#define SIGNED4(g, q) \
	SIGNED(g, 0, q) \
	SIGNED(g, 1, q) \
	SIGNED(g, 2, q) \
	SIGNED(g, 3, q)
