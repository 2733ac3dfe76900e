// The first half of a Gemv for blocks of 32: the integer group sums of up to 16 rows, and their f16 scales (and
// minima) moved to where the chains read them. One row is one stream from memory; rows are never read side by side.
//
//	BX arguments   SI block   DI its activations' codes   R8 its sum   R9 its scale (and minimum)
//	R11 rows left   CX blocks left in the row   R14, R15 the row's first sum and scale   Y10 16-bit ones
//
// Sums [16, stride]; scales [groups, 16] f16, or pairs of scale and minimum [groups, 16, 2].

#define ROWS_BEGIN \
	MOVQ     args+0(FP), BX               \
	MOVQ     gemvArgsAVX2_w(BX), SI       \
	MOVQ     gemvArgsAVX2_rows(BX), R11   \
	MOVQ     gemvArgsAVX2_sums(BX), R8    \
	MOVQ     gemvArgsAVX2_scales(BX), R9  \
	MOVQ     gemvArgsAVX2_minima(BX), R10 \
	MOVQ     gemvArgsAVX2_fetch+fetch_lead(BX), R12 \
	ADDQ     SI, R12                      \
	VPCMPEQW Y10, Y10, Y10                \
	VPSRLW   $15, Y10, Y10

// Memory is asked for in time, by a pointer of its own (R12) that touches each line once in the rows and goes on through the
// chains, or memory would rest there. A prefetch past the end of the mapping is ignored.

// FETCHJUMP goes on at what is read after the weights, once; the label is one of the function's own.
#define FETCHJUMP(near) \
	CMPQ R12, gemvArgsAVX2_fetch+fetch_end(BX)  \
	JCS  near                                   \
	ADDQ gemvArgsAVX2_fetch+fetch_jump(BX), R12 \
	MOVQ $-1, gemvArgsAVX2_fetch+fetch_end(BX)  \
near:

// ROWS loops over rows, steps of four blocks and the row's last blocks (up to 3). DOT(i, y): y = partial sums of block
// i; SUM4 adds Y0-Y3 up to X0, SUM1 adds Y0 up to its first element; SCALE(i) moves the scales of block i. A step
// touches ahead (64 or 128) bytes of the memory to come; pair is the bytes of a scale, or of scale and minimum.
#define ROWS(bytes, ahead, pair, DOT, SUM4, SUM1, SCALE) \
row:                                  \
	FETCHJUMP(within)                   \
	MOVQ    gemvArgsAVX2_q(BX), DI      \
	MOVQ    gemvArgsAVX2_blocks(BX), CX \
	MOVQ    R8, R14                     \
	MOVQ    R9, R15                     \
	SUBQ    $4, CX                      \
	JCS     last                        \
four:                                 \
	PREFETCHT0 (R12)                    \
	PREFETCHT0 (ahead-64)(R12)          \
	ADDQ    $ahead, R12                 \
	DOT(0, Y0)                          \
	DOT(1, Y1)                          \
	DOT(2, Y2)                          \
	DOT(3, Y3)                          \
	SUM4                                \
	VMOVDQU X0, (R8)                    \
	SCALE(0)                            \
	SCALE(1)                            \
	SCALE(2)                            \
	SCALE(3)                            \
	ADDQ    $(4*bytes), SI              \
	ADDQ    $128, DI                    \
	ADDQ    $16, R8                     \
	ADDQ    $(64*pair), R9              \
	SUBQ    $4, CX                      \
	JCC     four                        \
last:                                 \
	ADDQ    $4, CX                      \
	JEQ     next                        \
one:                                  \
	DOT(0, Y0)                          \
	SUM1                                \
	VMOVD   X0, (R8)                    \
	SCALE(0)                            \
	ADDQ    $bytes, SI                  \
	ADDQ    $32, DI                     \
	ADDQ    $4, R8                      \
	ADDQ    $(16*pair), R9              \
	DECQ    CX                          \
	JNE     one                         \
next:                                 \
	MOVQ    gemvArgsAVX2_stride(BX), R8 \
	ADDQ    R14, R8                     \
	LEAQ    pair(R15), R9               \
	DECQ    R11                         \
	JNE     row                         \
	FETCHJUMP(beyond)                   \
	MOVQ    R12, gemvArgsAVX2_ahead(BX) \
	VZEROUPPER                          \
	RET

#define MOVE_SCALE(i, bytes) \
	MOVWLZX (bytes*i)(SI), AX \
	MOVW    AX, (32*i)(R9)

#define MOVE_PAIR(i, bytes) \
	MOVL (bytes*i)(SI), AX \
	MOVL AX, (64*i)(R9)

// Sums of 8 32-bit partials.
#define WIDE4 \
	VPHADDD      Y1, Y0, Y0 \
	VPHADDD      Y3, Y2, Y2 \
	VPHADDD      Y2, Y0, Y0 \
	VEXTRACTI128 $1, Y0, X1 \
	VPADDD       X1, X0, X0

#define WIDE1 \
	VPHADDD      Y0, Y0, Y0 \
	VPHADDD      Y0, Y0, Y0 \
	VEXTRACTI128 $1, Y0, X1 \
	VPADDD       X1, X0, X0

// Sums of 16 16-bit partials, each of two products of at most 31*127: sums of eight products still fit.
#define NARROW4 \
	VPHADDW      Y1, Y0, Y0  \
	VPHADDW      Y3, Y2, Y2  \
	VPHADDW      Y2, Y0, Y0  \
	VPMADDWD     Y10, Y0, Y0 \
	VEXTRACTI128 $1, Y0, X1  \
	VPADDD       X1, X0, X0

#define NARROW1 \
	VPHADDW      Y0, Y0, Y0  \
	VPHADDW      Y0, Y0, Y0  \
	VPMADDWD     Y10, Y0, Y0 \
	VEXTRACTI128 $1, Y0, X1  \
	VPADDD       X1, X0, X0
