// One micro-tile of the integer product: 16 rows (two registers of 8 lanes) by 4 tokens over all of K.
//
//	AX arguments   DI out [4, 16]   BX panel   CX, DX scales and minima of the group   R15 groups left
//	SI codes of token 0, tokens R8 apart (R9 = 3 R8)   R10, R11, R12 d, sx, sums, tokens R13 apart (R14 = 3 R13)
//	Y0-Y7 integer sums: token t has rows 0-7 in Y(2t) and 8-15 in Y(2t+1)   Y15 16-bit ones
#define BEGIN \
	MOVQ     args+0(FP), AX               \
	MOVQ     tileArgsAVX2_out(AX), DI     \
	MOVQ     tileArgsAVX2_w(AX), BX       \
	MOVQ     tileArgsAVX2_s(AX), CX       \
	MOVQ     tileArgsAVX2_m(AX), DX       \
	MOVQ     tileArgsAVX2_q(AX), SI       \
	MOVQ     tileArgsAVX2_stride(AX), R8  \
	MOVQ     tileArgsAVX2_d(AX), R10      \
	MOVQ     tileArgsAVX2_sx(AX), R11     \
	MOVQ     tileArgsAVX2_sum(AX), R12    \
	MOVQ     tileArgsAVX2_groups(AX), R15 \
	LEAQ     (R8)(R8*2), R9               \
	MOVQ     R8, R13                      \
	SHRQ     $3, R13                      \
	LEAQ     (R13)(R13*2), R14            \
	VPCMPEQW Y15, Y15, Y15                \
	VPSRLW   $15, Y15, Y15

// QUAD does T for four codes of each row and token.
#define QUAD(i, T) \
	VMOVDQU (64*i)(BX), Y8      \
	VMOVDQU (64*i+32)(BX), Y9   \
	T((4*i)(SI), Y0, Y1)        \
	T((4*i)(SI)(R8*1), Y2, Y3)  \
	T((4*i)(SI)(R8*2), Y4, Y5)  \
	T((4*i)(SI)(R9*1), Y6, Y7)

// SMALL0 and SMALL: sums of products of small unsigned weights in 16-bit pairs; the first of a run overwrites.
#define SMALL0(q, a, b) \
	VPBROADCASTD q, Y10    \
	VPMADDUBSW   Y10, Y8, a \
	VPMADDUBSW   Y10, Y9, b

#define SMALL(q, a, b) \
	VPBROADCASTD q, Y10       \
	VPMADDUBSW   Y10, Y8, Y11 \
	VPMADDUBSW   Y10, Y9, Y12 \
	VPADDW       Y11, a, a    \
	VPADDW       Y12, b, b

// SIGNED: any codes as |w| (Y13, Y14) times sign(w)*a; a pair is at most 128*127*2, so nothing saturates.
#define SIGNED_QUAD(i) \
	VMOVDQU (64*i)(BX), Y8     \
	VMOVDQU (64*i+32)(BX), Y9  \
	VPABSB  Y8, Y13            \
	VPABSB  Y9, Y14            \
	SIGNED((4*i)(SI), Y0, Y1)       \
	SIGNED((4*i)(SI)(R8*1), Y2, Y3) \
	SIGNED((4*i)(SI)(R8*2), Y4, Y5) \
	SIGNED((4*i)(SI)(R9*1), Y6, Y7)

#define SIGNED(q, a, b) \
	VPBROADCASTD q, Y10        \
	VPSIGNB      Y8, Y10, Y11  \
	VPSIGNB      Y9, Y10, Y12  \
	VPMADDUBSW   Y11, Y13, Y11 \
	VPMADDUBSW   Y12, Y14, Y12 \
	VPMADDWD     Y15, Y11, Y11 \
	VPMADDWD     Y15, Y12, Y12 \
	VPADDD       Y11, a, a     \
	VPADDD       Y12, b, b

// EACH does T for the eight sums.
#define EACH(T) T(0, Y0) T(1, Y1) T(2, Y2) T(3, Y3) T(4, Y4) T(5, Y5) T(6, Y6) T(7, Y7)
#define ZERO(i, y) VPXOR y, y, y;
#define WIDEN(i, y) VPMADDWD Y15, y, y;
#define KEEP_WIDE(i, y) VPMADDWD Y15, y, y; VMOVDQU y, (32*i)(SP);
#define ADD_KEPT(i, y) VPMADDWD Y15, y, y; VPADDD (32*i)(SP), y, y;

// UNBIAS: sums -= bias*sum of the token's codes.
#define UNBIAS(sum, a, b) \
	VPBROADCASTD sum, Y9    \
	VPMULLD      Y8, Y9, Y9 \
	VPSUBD       Y9, a, a   \
	VPSUBD       Y9, b, b

// CHAIN: out = fma(float(sum), s*d, out), rows of one token at byte o of out.
#define CHAIN(o, d, a, b) \
	VBROADCASTSS d, Y8             \
	VMULPS       (CX), Y8, Y9      \
	VMULPS       32(CX), Y8, Y10   \
	VCVTDQ2PS    a, a              \
	VCVTDQ2PS    b, b              \
	VFMADD213PS  (o)(DI), Y9, a    \
	VFMADD213PS  (o+32)(DI), Y10, b

// MINIMUM: the chain's second step, fma(m, sx, out).
#define MINIMUM(sx, a, b) \
	VBROADCASTSS sx, Y8          \
	VFMADD231PS  (DX), Y8, a     \
	VFMADD231PS  32(DX), Y8, b

// MINIMUM16: the same for groups of 16, whose sx is float(sum)*d.
#define MINIMUM16(sum, d, a, b) \
	VPBROADCASTD sum, Y8         \
	VCVTDQ2PS    Y8, Y8          \
	VBROADCASTSS d, Y9           \
	VMULPS       Y9, Y8, Y8      \
	VFMADD231PS  (DX), Y8, a     \
	VFMADD231PS  32(DX), Y8, b

// Sums of 16 lie twice as far apart as the scales of 32.
#define MINIMUM16_ALL \
	MINIMUM16((R12), (R10), Y0, Y1)               \
	MINIMUM16((R12)(R13*2), (R10)(R13*1), Y2, Y3) \
	MINIMUM16((R12)(R13*4), (R10)(R13*2), Y4, Y5) \
	MINIMUM16((R12)(R14*2), (R10)(R14*1), Y6, Y7)

#define STORE(i, y) VMOVUPS y, (32*i)(DI);
