//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_avx512_amd64.h"

// NIBBLES splits four blocks of 16 bytes into first halves Z6 and second halves Z7, lanes in the block order 0 2 1 3.
#define NIBBLES(o0, B0, o1, B1, o2, B2, o3, B3) \
	VMOVDQU      o0(B0), X4         \
	VINSERTI32X4 $1, o2(B2), Z4, Z4 \
	VINSERTI32X4 $2, o1(B1), Z4, Z4 \
	VINSERTI32X4 $3, o3(B3), Z4, Z4 \
	VPSRLW       $4, Z4, Z7         \
	VPANDD       Z31, Z4, Z6        \
	VPANDD       Z31, Z7, Z7

#define DOT(xo, acc) \
	VPXORD   acc, acc, acc      \
	VPDPBUSD (xo)(R11), Z6, acc \
	VPDPBUSD (xo+64)(R11), Z7, acc

#define BYTES 18
#define SCALES 32
#define FETCH \
	PREFETCHT0 (R10) \
	ADDQ $56, R10

#define SCALE(o, B, s) \
	MOVWLZX o(B), AX \
	MOVW    AX, (s)(R13)

#define QUAD(o0, B0, o1, B1, o2, B2, o3, B3, xo, so, acc) \
	NIBBLES(o0+2, B0, o1+2, B1, o2+2, B2, o3+2, B3) \
	SCALE(o0, B0, so)                               \
	SCALE(o1, B1, so+SCALES)                        \
	SCALE(o2, B2, so+2*SCALES)                      \
	SCALE(o3, B3, so+3*SCALES)                      \
	DOT(xo, acc)

// func gemvSumsQ4_0AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)
TEXT ·gemvSumsQ4_0AVX512(SB), 0, $136-64
	MOVL         $0x0f0f0f0f, AX
	VPBROADCASTD AX, Z31
	ROWS

#undef BYTES

#undef SCALES

#undef FETCH

#undef QUAD

#define BYTES 20
#define SCALES 64
#define FETCH \
	PREFETCHT0 (R10) \
	ADDQ $64, R10

// SCALE2 copies the scale and the minimum.
#define SCALE2(o, B, s) \
	MOVL o(B), AX \
	MOVL AX, (s)(R13)

#define QUAD(o0, B0, o1, B1, o2, B2, o3, B3, xo, so, acc) \
	NIBBLES(o0+4, B0, o1+4, B1, o2+4, B2, o3+4, B3) \
	SCALE2(o0, B0, so)                              \
	SCALE2(o1, B1, so+SCALES)                       \
	SCALE2(o2, B2, so+2*SCALES)                     \
	SCALE2(o3, B3, so+3*SCALES)                     \
	DOT(xo, acc)

// func gemvSumsQ4_1AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)
TEXT ·gemvSumsQ4_1AVX512(SB), 0, $136-64
	MOVL         $0x0f0f0f0f, AX
	VPBROADCASTD AX, Z31
	ROWS
