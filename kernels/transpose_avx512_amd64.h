// The transpose of 16 x 16 dwords and horizontal sums in registers.

// Z(a..a+3) hold rows of four lanes of four dwords; afterwards register j holds, per lane, dword j of the four rows.
#define TRANSPOSE4(a, b, c, d, t0, t1, t2, t3) \
	VPUNPCKLDQ  b, a, t0   \
	VPUNPCKHDQ  b, a, t1   \
	VPUNPCKLDQ  d, c, t2   \
	VPUNPCKHDQ  d, c, t3   \
	VPUNPCKLQDQ t2, t0, a  \
	VPUNPCKHQDQ t2, t0, b  \
	VPUNPCKLQDQ t3, t1, c  \
	VPUNPCKHQDQ t3, t1, d

// Four registers that hold dword j of rows 0-3, 4-7, 8-11, 12-15 per lane L (dword 4L+j): Z20-Z23 = columns j, 4+j,
// 8+j, 12+j of all 16 rows.
#define LANES4(a, b, c, d) \
	VSHUFI32X4 $0x44, b, a, Z16     \
	VSHUFI32X4 $0xee, b, a, Z17     \
	VSHUFI32X4 $0x44, d, c, Z18     \
	VSHUFI32X4 $0xee, d, c, Z19     \
	VSHUFI32X4 $0x88, Z18, Z16, Z20 \
	VSHUFI32X4 $0xdd, Z18, Z16, Z21 \
	VSHUFI32X4 $0x88, Z19, Z17, Z22 \
	VSHUFI32X4 $0xdd, Z19, Z17, Z23

// Z0-Z15 hold 16 rows of dwords; afterwards Zj, Z(4+j), Z(8+j), Z(12+j) are what LANES4 takes.
#define TRANSPOSE16 \
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z16, Z17, Z18, Z19)     \
	TRANSPOSE4(Z4, Z5, Z6, Z7, Z20, Z21, Z22, Z23)     \
	TRANSPOSE4(Z8, Z9, Z10, Z11, Z16, Z17, Z18, Z19)   \
	TRANSPOSE4(Z12, Z13, Z14, Z15, Z20, Z21, Z22, Z23)

// LOADSUMS loads 16 such rows from SI on.
#define LOADSUMS \
	VMOVDQU32 (SI), Z0      \
	VMOVDQU32 64(SI), Z1    \
	VMOVDQU32 128(SI), Z2   \
	VMOVDQU32 192(SI), Z3   \
	VMOVDQU32 256(SI), Z4   \
	VMOVDQU32 320(SI), Z5   \
	VMOVDQU32 384(SI), Z6   \
	VMOVDQU32 448(SI), Z7   \
	VMOVDQU32 512(SI), Z8   \
	VMOVDQU32 576(SI), Z9   \
	VMOVDQU32 640(SI), Z10  \
	VMOVDQU32 704(SI), Z11  \
	VMOVDQU32 768(SI), Z12  \
	VMOVDQU32 832(SI), Z13  \
	VMOVDQU32 896(SI), Z14  \
	VMOVDQU32 960(SI), Z15  \
	ADDQ      $1024, SI     \
	TRANSPOSE16

// REDUCE4 adds the four dwords of each lane: a holds, in dword 4L+i, the sum of lane L of register i. t0-t3 are scratch.
#define REDUCE4(a, b, c, d, t0, t1, t2, t3) \
	VPUNPCKLDQ  b, a, t0   \
	VPUNPCKHDQ  b, a, t1   \
	VPADDD      t1, t0, t0 \
	VPUNPCKLDQ  d, c, t2   \
	VPUNPCKHDQ  d, c, t3   \
	VPADDD      t3, t2, t2 \
	VPUNPCKLQDQ t2, t0, a  \
	VPUNPCKHQDQ t2, t0, b  \
	VPADDD      b, a, a

#define REDUCE REDUCE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
