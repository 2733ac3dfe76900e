//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_avx512_amd64.h"

#define BYTES 34
#define SCALES 32
// Of every 136 bytes, 16 are left to phase two to prefetch.
#define FETCH \
	PREFETCHT0 (R10)   \
	PREFETCHT0 64(R10) \
	ADDQ $120, R10

#define SCALE(o, B, s) \
	MOVWLZX o(B), AX \
	MOVW    AX, (s)(R13)

// QUAD multiplies four blocks, codes + 128, by activations at xo(R11) into acc; lanes hold the blocks 0 2 1 3. Block i
// is at oi(Bi); its scale goes to so + i*SCALES.
#define QUAD(o0, B0, o1, B1, o2, B2, o3, B3, xo, so, acc) \
	VMOVDQU      (o0+2)(B0), Y4         \
	VINSERTI64X4 $1, (o2+2)(B2), Z4, Z4 \
	VMOVDQU      (o1+2)(B1), Y5         \
	VINSERTI64X4 $1, (o3+2)(B3), Z5, Z5 \
	SCALE(o0, B0, so)                   \
	SCALE(o1, B1, so+SCALES)            \
	SCALE(o2, B2, so+2*SCALES)          \
	SCALE(o3, B3, so+3*SCALES)          \
	VPXORD       Z31, Z4, Z4            \
	VPXORD       Z31, Z5, Z5            \
	VSHUFI64X2   $0x88, Z5, Z4, Z6      \
	VSHUFI64X2   $0xdd, Z5, Z4, Z7      \
	VPXORD       acc, acc, acc          \
	VPDPBUSD     (xo)(R11), Z6, acc     \
	VPDPBUSD     (xo+64)(R11), Z7, acc

// func gemvSumsQ8_0AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)
TEXT ·gemvSumsQ8_0AVX512(SB), 0, $136-64
	MOVL         $0x80808080, AX
	VPBROADCASTD AX, Z31
	ROWS
