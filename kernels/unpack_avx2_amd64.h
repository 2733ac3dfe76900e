// Unpacking of weight codes to unsigned bytes, shared by Codes and Gemv. Registers kept by the users:
//
//	Y15 bytes 0x0f    Y14 shifts 0, 0, 4, 4 (64-bit)    Y13 byte i/8    Y12 bit i%8    Y11 bytes 0x10

DATA nibbleShift<>+0(SB)/8, $0
DATA nibbleShift<>+8(SB)/8, $0
DATA nibbleShift<>+16(SB)/8, $4
DATA nibbleShift<>+24(SB)/8, $4
GLOBL nibbleShift<>(SB), RODATA|NOPTR, $32

DATA bitByte<>+0(SB)/8, $0x0000000000000000
DATA bitByte<>+8(SB)/8, $0x0101010101010101
DATA bitByte<>+16(SB)/8, $0x0202020202020202
DATA bitByte<>+24(SB)/8, $0x0303030303030303
GLOBL bitByte<>(SB), RODATA|NOPTR, $32

DATA bitMask<>+0(SB)/8, $0x8040201008040201
GLOBL bitMask<>(SB), RODATA|NOPTR, $8

// BYTES: every byte of y becomes v; x is y's low half.
#define BYTES(v, x, y) \
	MOVL         $(v * 0x01010101), AX \
	VMOVD        AX, x                 \
	VPBROADCASTD x, y

#define NIBBLE_CONSTANTS \
	BYTES(0x0f, X15, Y15) \
	VMOVDQU nibbleShift<>(SB), Y14

#define BIT_CONSTANTS \
	VMOVDQU      bitByte<>(SB), Y13 \
	VPBROADCASTQ bitMask<>(SB), Y12 \
	BYTES(0x10, X11, Y11)

// NIBBLES: y[i] = mem[i]&15, y[16+i] = mem[i]>>4, i < 16.
#define NIBBLES(mem, y) \
	VBROADCASTI128 mem, y    \
	VPSRLVQ        Y14, y, y \
	VPAND          Y15, y, y

// FIFTH_BITS: y[i] |= bit i of the four bytes mem, shifted to 16.
#define FIFTH_BITS(mem, y, t) \
	VPBROADCASTD mem, t    \
	VPSHUFB      Y13, t, t \
	VPAND        Y12, t, t \
	VPCMPEQB     Y12, t, t \
	VPAND        Y11, t, t \
	VPOR         t, y, y

DATA kMasks<>+0(SB)/8, $0x3f3f3f3f3f3f3f3f
DATA kMasks<>+8(SB)/8, $0x3f3f3f3f3f3f3f3f
DATA kMasks<>+16(SB)/8, $0x3030303030303030
DATA kMasks<>+24(SB)/8, $0x3030303030303030
DATA kMasks<>+32(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA kMasks<>+40(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA kMasks<>+48(SB)/8, $0x0000000400000000
DATA kMasks<>+56(SB)/8, $0x0000000400000000
DATA kMasks<>+64(SB)/8, $0x8000000080000000
DATA kMasks<>+72(SB)/8, $0x8000000080000000
GLOBL kMasks<>(SB), RODATA|NOPTR, $80

// K_SCALES: ys, ym = the eight scales d*sc and signed minima (-dmin)*mn of the Q4_K or Q5_K block at SI, as f32. With
// a, b, c the three 32-bit words of ScaleMin's drawing: sc = a&3f, c&0f | a>>2&30 and mn = b&3f, c>>4&0f | b>>2&30.
// Clobbers yt and Y9.
#define K_SCALES(xs, ys, xm, ym, xt, yt) \
	VMOVDQU      4(SI), xs               \
	VPSRLD       $2, xs, xm              \
	VPSHUFD      $0xaa, xs, xt           \
	VPAND        kMasks<>(SB), xs, xs    \
	VPAND        kMasks<>+16(SB), xm, xm \
	VPSRLVD      kMasks<>+48(SB), xt, xt \
	VPAND        kMasks<>+32(SB), xt, xt \
	VPOR         xt, xm, xm              \
	VPUNPCKLDQ   xm, xs, xs              \
	VPSHUFD      $0xee, xs, xm           \
	VPMOVZXBD    xs, ys                  \
	VPMOVZXBD    xm, ym                  \
	VCVTDQ2PS    ys, ys                  \
	VCVTDQ2PS    ym, ym                  \
	VMOVD        (SI), xt                \
	VCVTPH2PS    xt, xt                  \
	VPERMILPS    $0x55, xt, X9           \
	VXORPS       kMasks<>+64(SB), X9, X9 \
	VBROADCASTSS xt, yt                  \
	VBROADCASTSS X9, Y9                  \
	VMULPS       yt, ys, ys              \
	VMULPS       Y9, ym, ym
