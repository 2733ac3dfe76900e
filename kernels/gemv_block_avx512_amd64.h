// What the formats of blocks of 32 share in gemv_runs_avx512_amd64.h. Lane L of Zi (i < 4) multiplies run 4L+i, so that REDUCE4 leaves
// the sums of a group in the order of the runs. Four runs are asked for with each block, four blocks ahead of one another: a turn.
//
//	Z31 mask of codes · Z28 Z29 activations, 16 in each lane · Z27 from SI to the runs · Z26 heads: the first dwords of the runs' blocks

// BLOCKS is the body of func (p *runs) of a format: HEADS readies what stands before the codes, ROWi multiplies the codes
// at o of four runs, CHAIN takes the sums in Z0 and ASKS asks for one turn of four runs.
#define BLOCKS(bytes, HEADS, o, ROW0, ROW1, ROW2, ROW3, CHAIN, ASKS) \
	BEGINRUNS(4*bytes)                                                     \
	VPBROADCASTD AX, Z27                                                   \
	VPMULLD      lanes<>(SB), Z27, Z27                                     \
	MOVQ         $4, fours-40(SP)                                          \
row:                                                                           \
	BEGINROW                                                               \
block:                                                                         \
	HEADS                                                                  \
	VBROADCASTI32X4 (R11), Z28                                             \
	VBROADCASTI32X4 16(R11), Z29                                           \
	ROW0(o(SI), o(R8), o(R9), o(R12), Z0)                                  \
	ROW1(o(SI)(AX*1), o(R8)(AX*1), o(R9)(AX*1), o(R12)(AX*1), Z1)          \
	ROW2(o(SI)(AX*2), o(R8)(AX*2), o(R9)(AX*2), o(R12)(AX*2), Z2)          \
	ROW3(o(SI)(BX*1), o(R8)(BX*1), o(R9)(BX*1), o(R12)(BX*1), Z3)          \
	REDUCE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)                                \
	CHAIN                                                                  \
	ASKS                                                                   \
	LEAQ (R10)(R15*4), R10                                                 \
	NEXTBLOCK(bytes, 32)                                                   \
	ADDQ $4, R14                                                           \
	DECQ fours-40(SP)                                                      \
	JNE  near                                                              \
	MOVQ $4, fours-40(SP)                                                  \
	TURNED(4*bytes, near)                                                  \
	DECQ CX                                                                \
	JNE  block                                                             \
	ENDROW(row)

// ASK2: the lines of four blocks of up to 32 bytes of four runs; ASK3 those of longer ones.
#define ASK2 ASKLINE(0); ASKLINE(64)
#define ASK3 ASK2; ASKLINE(128)

#define ASKLINE(o) \
	FETCH o(R10)        \
	FETCH o(R10)(R15*1) \
	FETCH o(R10)(R15*2) \
	FETCH o(R10)(DX*1)

// LOAD4: Z4 = 16 bytes of each of four runs.
#define LOAD4(a, b, c, d) \
	VMOVDQU      a, X4         \
	VINSERTI32X4 $1, b, Z4, Z4 \
	VINSERTI32X4 $2, c, Z4, Z4 \
	VINSERTI32X4 $3, d, Z4, Z4

// DOT: acc = partial sums of 16 codes and the 16 that follow them.
#define DOT(first, second, acc) \
	VPXORD   acc, acc, acc    \
	VPDPBUSD Z28, first, acc  \
	VPDPBUSD Z29, second, acc

#define HEADS4 \
	KXNORW     K1, K1, K1           \
	VPGATHERDD (SI)(Z27*1), K1, Z26

// HEADS8: the first eight bytes of the blocks too, of runs 0 1, 4 5, 8 9, 12 13 in Z22 and of the others in Z23; Y18 and Y19 from SI to them.
#define HEADS8 \
	KXNORW     K1, K1, K1           \
	KXNORW     K2, K2, K2           \
	VPGATHERDQ (SI)(Y18*1), K1, Z22 \
	VPGATHERDQ (SI)(Y19*1), K2, Z23 \
	VSHUFPS    $0x88, Z23, Z22, Z26

// F16LOW: z = the lower halves of z as f32.
#define F16LOW(y, z) \
	VPMOVDW   z, y \
	VCVTPH2PS y, z

// UNBIAS: Z0 = float32(isum - sum<<shift)
#define UNBIAS(shift) \
	VPBROADCASTD (R14), Z5     \
	VPSLLD       $shift, Z5, Z5 \
	VPSUBD       Z5, Z0, Z0    \
	VCVTDQ2PS    Z0, Z0

// SCALED: acc = fma(Z0, s*d, acc)
#define SCALED(s) \
	VMULPS.BCST (R13), s, s   \
	VFMADD231PS s, Z0, Z30

// PLAIN is the CHAIN of formats with a scale, stored with a bias of 1<<shift.
#define PLAIN(shift) \
	UNBIAS(shift)    \
	F16LOW(Y26, Z26) \
	SCALED(Z26)

// MIN is that of formats with a minimum behind the scale: also acc = fma(m, sx, acc)
#define MIN \
	VCVTDQ2PS        Z0, Z0          \
	VPSRLD           $16, Z26, Z25   \
	F16LOW(Y26, Z26)                 \
	F16LOW(Y25, Z25)                 \
	SCALED(Z26)                      \
	VFMADD231PS.BCST (R14), Z25, Z30
