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

// K_SCALES: ys, ym = the eight scales d*sc and signed minima -(dmin*mn) of the Q4_K or Q5_K block at SI, as f32.
// The four bytes of ScaleMin's drawing are handled at once. Clobbers AX, BX, DX, yt.
#define K_SCALES(xs, ys, xm, ym, xt, yt) \
	MOVL         4(SI), AX                \
	MOVL         8(SI), BX                \
	MOVL         12(SI), DX               \
	VMOVD        AX, xs                   \
	VMOVD        BX, xm                   \
	VPUNPCKLDQ   xm, xs, xm               \
	MOVL         DX, R15                  \
	SHRL         $2, AX                   \
	SHRL         $2, BX                   \
	SHRL         $4, R15                  \
	ANDL         $0x30303030, AX          \
	ANDL         $0x30303030, BX          \
	ANDL         $0x0f0f0f0f, DX          \
	ANDL         $0x0f0f0f0f, R15         \
	ORL          DX, AX                   \
	ORL          R15, BX                  \
	MOVL         $0x3f3f3f3f, DX          \
	VMOVD        DX, xt                   \
	VPSHUFD      $0, xt, xt               \
	VPAND        xt, xm, xm               \
	VMOVD        AX, xs                   \
	VMOVD        BX, xt                   \
	VPUNPCKLDQ   xs, xm, xs               \
	VPSHUFD      $0x55, xm, xm            \
	VPUNPCKLDQ   xt, xm, xm               \
	VPMOVZXBD    xs, ys                   \
	VPMOVZXBD    xm, ym                   \
	VCVTDQ2PS    ys, ys                   \
	VCVTDQ2PS    ym, ym                   \
	VPBROADCASTW 2(SI), xt                \
	VCVTPH2PS    xt, yt                   \
	VMULPS       yt, ym, ym               \
	VPCMPEQD     yt, yt, yt               \
	VPSLLD       $31, yt, yt              \
	VXORPS       yt, ym, ym               \
	VPBROADCASTW (SI), xt                 \
	VCVTPH2PS    xt, yt                   \
	VMULPS       yt, ys, ys
