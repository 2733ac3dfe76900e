// ROWS4: a, b, c, d (a's low half is x) = 16 bytes of rows 0-3 in the low halves, of rows 4-7 in the high ones, from
// the bases p (row 0) and p4 (row 4); s and s3 hold one and three times the row stride.
#define ROWS4(p, p4, s, s3, xa, a, xb, b, xc, c, xd, d) \
	VMOVDQU     (p), xa                   \
	VMOVDQU     (p)(s*1), xb              \
	VMOVDQU     (p)(s*2), xc              \
	VMOVDQU     (p)(s3*1), xd             \
	VINSERTI128 $1, (p4), a, a            \
	VINSERTI128 $1, (p4)(s*1), b, b       \
	VINSERTI128 $1, (p4)(s*2), c, c       \
	VINSERTI128 $1, (p4)(s3*1), d, d

// TRANSPOSE4 transposes the 4x4 of 32-bit elements in each half of a, b, c, d; columns 0-3 end in c, d, t, u.
#define TRANSPOSE4(a, b, c, d, t, u) \
	VPUNPCKLDQ  b, a, t \
	VPUNPCKHDQ  b, a, u \
	VPUNPCKLDQ  d, c, a \
	VPUNPCKHDQ  d, c, b \
	VPUNPCKLQDQ a, t, c \
	VPUNPCKHQDQ a, t, d \
	VPUNPCKLQDQ b, u, t \
	VPUNPCKHQDQ b, u, u
