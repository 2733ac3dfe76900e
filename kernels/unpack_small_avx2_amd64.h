// Unpacking of the formats that index a table and of two and three bits, shared by Codes and Gemv; used with
// unpack_avx2_amd64.h.

// LOOKUP: y = the signed codes of the nibbles of 16 bytes; Y13 = the table, twice.
#define TABLE(values) VBROADCASTI128 values(SB), Y13
#define LOOKUP(mem, y) \
	NIBBLES(mem, y)    \
	VPSHUFB y, Y13, y

DATA xsShifts<>+0(SB)/8, $0x0000000400000000
DATA xsShifts<>+8(SB)/8, $0x0000000c00000008
DATA xsShifts<>+16(SB)/8, $0x0000001400000010
DATA xsShifts<>+24(SB)/8, $0x0000001c00000018
DATA xsShifts<>+32(SB)/8, $0x0000000e0000000c
DATA xsShifts<>+40(SB)/8, $0x0000001200000010
DATA xsShifts<>+48(SB)/8, $0x0000001600000014
DATA xsShifts<>+56(SB)/8, $0x0000001a00000018
GLOBL xsShifts<>(SB), RODATA|NOPTR, $64

// XS_SCALES: Y0 = the eight scales of the block of IQ4_XS at SI, see ScaleIQ4_XS. Y12, Y11, Y9 = dwords 15, 0x30, 32.
#define XS_CONSTANTS \
	DWORDS(15, X12, Y12)   \
	DWORDS(0x30, X11, Y11) \
	DWORDS(32, X9, Y9)

#define XS_SCALES \
	VPBROADCASTD 4(SI), Y0              \
	VPBROADCASTD (SI), Y1               \
	VPBROADCASTW (SI), X2               \
	VPSRLVD      xsShifts<>(SB), Y0, Y0 \
	VPSRLVD      xsShifts<>+32(SB), Y1, Y1 \
	VPAND        Y12, Y0, Y0            \
	VPAND        Y11, Y1, Y1            \
	VPOR         Y1, Y0, Y0             \
	VPSUBD       Y9, Y0, Y0             \
	VCVTPH2PS    X2, Y2                 \
	VCVTDQ2PS    Y0, Y0                 \
	VMULPS       Y2, Y0, Y0

// DWORDS: every dword of y becomes v; x is y's low half.
#define DWORDS(v, x, y) \
	MOVL         $v, AX \
	VMOVD        AX, x  \
	VPBROADCASTD x, y

// Q2_K_SCALES: Y0, Y1 = the 16 scales d*sc and Y2, Y3 = minima (-dmin)*mn of the block at SI; Y15 = bytes 0x0f.
#define Q2_K_SCALES \
	VMOVDQU      (SI), X0               \
	VPSRLW       $4, X0, X2             \
	VPAND        X15, X0, X0            \
	VPAND        X15, X2, X2            \
	VPSRLDQ      $8, X0, X1             \
	VPSRLDQ      $8, X2, X3             \
	VPBROADCASTW 80(SI), X4             \
	VPBROADCASTW 82(SI), X5             \
	VPMOVZXBD    X0, Y0                 \
	VPMOVZXBD    X1, Y1                 \
	VPMOVZXBD    X2, Y2                 \
	VPMOVZXBD    X3, Y3                 \
	VCVTPH2PS    X4, Y4                 \
	VCVTPH2PS    X5, Y5                 \
	VPCMPEQD     Y6, Y6, Y6             \
	VPSLLD       $31, Y6, Y6            \
	VPXOR        Y6, Y5, Y5             \
	VCVTDQ2PS    Y0, Y0                 \
	VCVTDQ2PS    Y1, Y1                 \
	VCVTDQ2PS    Y2, Y2                 \
	VCVTDQ2PS    Y3, Y3                 \
	VMULPS       Y4, Y0, Y0             \
	VMULPS       Y4, Y1, Y1             \
	VMULPS       Y5, Y2, Y2             \
	VMULPS       Y5, Y3, Y3

DATA q3Shifts<>+0(SB)/8, $0x0000000200000000
DATA q3Shifts<>+8(SB)/8, $0x0000000600000004
GLOBL q3Shifts<>(SB), RODATA|NOPTR, $16

// Q3_K_SCALES: Y0, Y1 = the 16 scales of the block at SI, see ScaleQ3_K. Y15, Y12, Y11 = bytes 0x0f, 0x30, 32.
#define Q3_K_SCALES \
	VMOVQ        96(SI), X0             \
	VPSRLQ       $4, X0, X1             \
	VPUNPCKLQDQ  X1, X0, X0             \
	VPBROADCASTD 104(SI), X1            \
	VPSRLVD      q3Shifts<>(SB), X1, X1 \
	VPSLLD       $4, X1, X1             \
	VPAND        X15, X0, X0            \
	VPAND        X12, X1, X1            \
	VPOR         X1, X0, X0             \
	VPSUBB       X11, X0, X0            \
	VPSRLDQ      $8, X0, X1             \
	VPBROADCASTW 108(SI), X2            \
	VPMOVSXBD    X0, Y0                 \
	VPMOVSXBD    X1, Y1                 \
	VCVTPH2PS    X2, Y2                 \
	VCVTDQ2PS    Y0, Y0                 \
	VCVTDQ2PS    Y1, Y1                 \
	VMULPS       Y2, Y0, Y0             \
	VMULPS       Y2, Y1, Y1

// CRUMBS: y = bits 2r and 2r+1 of each byte of q; Y14 = bytes 3.
#define CRUMBS(r, q, y) \
	VPSRLW $(2*r), q, y \
	VPAND  Y14, y, y

// THIRD: y |= the third bits, which SHIFT by n brings to bit 2 of high; Y13 = bytes 4.
#define THIRD(SHIFT, n, high, y, t) \
	SHIFT $n, high, t \
	VPAND Y13, t, t   \
	VPOR  t, y, y
