//go:build !purego

#include "textflag.h"

// Codes of the formats with blocks of 32, two blocks at a time. Scales first go to sc as they are, f16 (and minimum) in
// a dword; CONVERT widens a row of them in place.

#define CONSTANTS \
	MOVL         $0x0f0f0f0f, AX   \
	VPBROADCASTD AX, Z31           \
	MOVL         $0x10101010, AX   \
	VPBROADCASTD AX, Z30           \
	MOVL         $0x08080808, AX   \
	VPBROADCASTD AX, Z29           \
	MOVL         $0xf0, AX         \
	KMOVW        AX, K2            \
	MOVL         $0xcccc, AX       \
	MOVL         $0x00040004, DX   \
	VPBROADCASTD DX, Z28           \
	KMOVW        AX, K1            \
	VMOVDQA64.Z  Z28, K1, Z28

// NIBBLES: Z0 = blocks at o0 and o1, low nibbles (lanes 0, 2) before high ones (1, 3). Z28 = shifts 0 4 0 4.
#define NIBBLES(o0, o1) \
	VBROADCASTI64X2 o0(SI), Z0     \
	VBROADCASTI64X2 o1(SI), K2, Z0 \
	VPSRLVW Z28, Z0, Z0            \
	VPANDD  Z31, Z0, Z0

// FIFTH adds 16 where the bits of qh at o0 and o1 are set.
#define FIFTH(o0, o1) \
	KMOVD    o0(SI), K3     \
	KMOVD    o1(SI), K4     \
	KUNPCKDQ K3, K4, K3     \
	VPADDB   Z30, Z0, K3, Z0

#define DECODE80(o0, o1) \
	VMOVDQU      (o0+2)(SI), Y0         \
	VINSERTI64X4 $1, (o1+2)(SI), Z0, Z0

#define DECODE40(o0, o1) \
	NIBBLES(o0+2, o1+2) \
	VPSUBB Z29, Z0, Z0

#define DECODE41(o0, o1) \
	NIBBLES(o0+4, o1+4)

#define DECODE50(o0, o1) \
	NIBBLES(o0+6, o1+6) \
	FIFTH(o0+2, o1+2)   \
	VPSUBB Z30, Z0, Z0

#define DECODE51(o0, o1) \
	NIBBLES(o0+8, o1+8) \
	FIFTH(o0+4, o1+4)

#define SCALE(o, s) \
	MOVWLZX o(SI), AX \
	MOVL    AX, s(R8)

#define SCALE2(o, s) \
	MOVL o(SI), AX \
	MOVL AX, s(R8)

// ROW decodes CX > 0 blocks from SI: codes to DI, raw scales to R8; what lies before is done.
#define ROW(DECODE, SCALE, BYTES) \
	MOVQ q+0(FP), DI    \
	MOVQ sc+8(FP), R8   \
	MOVQ row+24(FP), SI \
	MOVQ nb+32(FP), CX  \
	CONSTANTS           \
	SUBQ $2, CX         \
	JLT  one            \
pair:                   \
	DECODE(0, BYTES)    \
	VMOVDQU32 Z0, (DI)  \
	SCALE(0, 0)         \
	SCALE(BYTES, 4)     \
	ADDQ $(2*BYTES), SI \
	ADDQ $64, DI        \
	ADDQ $8, R8         \
	SUBQ $2, CX         \
	JGE  pair           \
one:                    \
	ADDQ $2, CX         \
	JEQ  convert        \
	DECODE(0, 0)        \
	VMOVDQU Y0, (DI)    \
	SCALE(0, 0)         \
convert:                \
	MOVQ sc+8(FP), R8   \
	MOVQ mn+16(FP), R9  \
	MOVQ nb+32(FP), CX

// MASK sets K1 to the next CX scales, at most 16.
#define MASK \
	MOVQ    $16, DX  \
	CMPQ    CX, DX   \
	CMOVQLT CX, DX   \
	XCHGQ   CX, DX   \
	MOVQ    $1, AX   \
	SHLQ    CX, AX   \
	DECQ    AX       \
	XCHGQ   CX, DX   \
	KMOVW   AX, K1

// CONVERT widens CX > 0 scales at R8.
#define CONVERT \
widen:                          \
	MASK                        \
	VMOVDQU32.Z (R8), K1, Z0    \
	VPMOVDW     Z0, Y0          \
	VCVTPH2PS   Y0, Z0          \
	VMOVUPS     Z0, K1, (R8)    \
	ADDQ        $64, R8         \
	SUBQ        $16, CX         \
	JG          widen           \
	VZEROUPPER                  \
	RET

// CONVERT2 widens CX > 0 scales at R8 and moves their minima to R9.
#define CONVERT2 \
widen:                          \
	MASK                        \
	VMOVDQU32.Z (R8), K1, Z0    \
	VPSRLD      $16, Z0, Z1     \
	VPMOVDW     Z0, Y0          \
	VPMOVDW     Z1, Y1          \
	VCVTPH2PS   Y0, Z0          \
	VCVTPH2PS   Y1, Z1          \
	VMOVUPS     Z0, K1, (R8)    \
	VMOVUPS     Z1, K1, (R9)    \
	ADDQ        $64, R8         \
	ADDQ        $64, R9         \
	SUBQ        $16, CX         \
	JG          widen           \
	VZEROUPPER                  \
	RET

// func codesQ8_0AVX512(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ8_0AVX512(SB), 0, $136-40
	ROW(DECODE80, SCALE, 34)
	CONVERT

// func codesQ4_0AVX512(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_0AVX512(SB), 0, $136-40
	ROW(DECODE40, SCALE, 18)
	CONVERT

// func codesQ4_1AVX512(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_1AVX512(SB), 0, $136-40
	ROW(DECODE41, SCALE2, 20)
	CONVERT2

// func codesQ5_0AVX512(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_0AVX512(SB), 0, $136-40
	ROW(DECODE50, SCALE, 22)
	CONVERT

// func codesQ5_1AVX512(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_1AVX512(SB), 0, $136-40
	ROW(DECODE51, SCALE2, 24)
	CONVERT2
