// What the formats of super-blocks share in gemv_runs_avx512_amd64.h; each block is a turn.

// ASK3: the lines of the next block of one row; ASK4 those of a longer one.
#define ASK3 \
	FETCH (R10)    \
	FETCH 64(R10)  \
	FETCH 128(R10) \
	ADDQ R15, R10

#define ASK4 \
	FETCH (R10)    \
	FETCH 64(R10)  \
	FETCH 128(R10) \
	FETCH 192(R10) \
	ADDQ R15, R10

// HEADS: 16 bytes at o of each row as Z0-Z3 = dwords 0-3 of all rows.
#define HEADS(o) \
	VMOVDQU      o(SI), X0                      \
	VMOVDQU      o(SI)(AX*1), X1                \
	VMOVDQU      o(SI)(AX*2), X2                \
	VMOVDQU      o(SI)(BX*1), X3                \
	HEADS4(o, R8, $1)                           \
	HEADS4(o, R9, $2)                           \
	HEADS4(o, R12, $3)                          \
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)

#define HEADS4(o, B, lane) \
	VINSERTI32X4 lane, o(B), Z0, Z0       \
	VINSERTI32X4 lane, o(B)(AX*1), Z1, Z1 \
	VINSERTI32X4 lane, o(B)(AX*2), Z2, Z2 \
	VINSERTI32X4 lane, o(B)(BX*1), Z3, Z3

// ROWS4: T = sums of the four groups of a half, dword i of lane g = row i of B, for a ROW that leaves partial sums of what lies at
// o and h.
#define ROWS4(o, h, B, ROW, T) \
	ROW(o(B), h(B), Z0)                             \
	ROW(o(B)(AX*1), h(B)(AX*1), Z1)                 \
	ROW(o(B)(AX*2), h(B)(AX*2), Z2)                 \
	ROW(o(B)(BX*1), h(B)(BX*1), Z3)                 \
	ASK3                                            \
	ASK3                                            \
	REDUCE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)         \
	VMOVDQA32 Z0, T

// BYGROUP: p, q, r, s = sums of groups 0-3 of 16 rows, from a, b, c, d as ROWS4 leaves them.
#define BYGROUP(a, b, c, d, p, q, r, s) \
	VSHUFI32X4 $0x44, b, a, Z4   \
	VSHUFI32X4 $0xee, b, a, Z5   \
	VSHUFI32X4 $0x44, d, c, Z6   \
	VSHUFI32X4 $0xee, d, c, Z7   \
	VSHUFI32X4 $0x88, Z6, Z4, p  \
	VSHUFI32X4 $0xdd, Z6, Z4, q  \
	VSHUFI32X4 $0x88, Z7, Z5, r  \
	VSHUFI32X4 $0xdd, Z7, Z5, s
