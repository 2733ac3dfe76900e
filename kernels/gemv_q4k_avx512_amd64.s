//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_super_avx512_amd64.h"

// Gemv of Q4_K. Lower nibbles of a byte belong to an even group, upper ones to the odd group after it; the mask Z31 takes
// either in turns of 16 bytes, upper ones where they stand: sums of odd groups come 16 times too large.
//
//	Z8 Z10 sub-scales of groups 0-3, 4-7, Z9 Z11 sub-minima, a byte each · Z26 d · Z27 dmin · Z28 Z29 activations of a half

DATA bytes<>+0(SB)/4, $0x3f3f3f3f
DATA bytes<>+4(SB)/4, $0x30303030
DATA bytes<>+8(SB)/4, $0x0f0f0f0f
GLOBL bytes<>(SB), RODATA|NOPTR, $12

// SUBSCALES unpacks the 6-bit scales and minima of 16 rows, see ScaleMin.
#define SUBSCALES \
	HEADS(0)                                       \
	VPMOVDW         Z0, Y4                         \
	VPSRLD          $16, Z0, Z0                    \
	VPMOVDW         Z0, Y5                         \
	VCVTPH2PS       Y4, Z26                        \
	VCVTPH2PS       Y5, Z27                        \
	VPANDD.BCST     bytes<>+0(SB), Z1, Z8          \
	VPANDD.BCST     bytes<>+0(SB), Z2, Z9          \
	VPSRLD          $2, Z1, Z10                    \
	VPSRLD          $2, Z2, Z11                    \
	VPSRLD          $4, Z3, Z4                     \
	VPANDD.BCST     bytes<>+4(SB), Z10, Z10        \
	VPANDD.BCST     bytes<>+4(SB), Z11, Z11        \
	VPTERNLOGD.BCST $0xf8, bytes<>+8(SB), Z3, Z10  \
	VPTERNLOGD.BCST $0xf8, bytes<>+8(SB), Z4, Z11

// ACTS: Z28, Z29 = the 128 activations at o in the order of ROW's codes.
#define ACTS(o) \
	VMOVDQU32  o(R11), Z4           \
	VMOVDQU32  (o+64)(R11), Z5      \
	VSHUFI64X2 $0xcc, Z5, Z4, Z28   \
	VSHUFI64X2 $0x99, Z5, Z4, Z29

#define ROW(codes, acc) \
	VMOVDQU32  codes, Z4          \
	VSHUFI64X2 $0xb1, Z4, Z4, Z5  \
	VPANDD     Z31, Z4, Z4        \
	VPANDD     Z31, Z5, Z5        \
	VPXORD     acc, acc, acc      \
	VPDPBUSD   Z28, Z4, acc       \
	VPDPBUSD   Z29, Z5, acc

// GROUP: acc = fma(float32(isum), (d*sc)*dx, acc); acc = fma(-(dmin*mn), sx, acc)
#define GROUP(isum, scales, minima, pick, i) \
	VPSHUFB           pick, scales, Z4       \
	VPSHUFB           pick, minima, Z5       \
	VCVTDQ2PS         Z4, Z4                 \
	VCVTDQ2PS         Z5, Z5                 \
	VCVTDQ2PS         isum, isum             \
	VMULPS            Z26, Z4, Z4            \
	VMULPS            Z27, Z5, Z5            \
	VMULPS.BCST       (4*(i))(R13), Z4, Z4     \
	VFMADD231PS       Z4, isum, Z30          \
	VFNMADD231PS.BCST (4*(i))(R14), Z5, Z30

#define HALF(o, xo, scales, minima, i) \
	ACTS(xo)                           \
	ROWS4(o, SI, ROW, Z16)             \
	ROWS4(o, R8, ROW, Z17)             \
	ROWS4(o, R9, ROW, Z18)             \
	ROWS4(o, R12, ROW, Z19)            \
	BYGROUP                            \
	VPSRAD $4, Z21, Z21                \
	VPSRAD $4, Z23, Z23                \
	GROUP(Z20, scales, minima, Z12, i) \
	GROUP(Z21, scales, minima, Z13, i+1) \
	GROUP(Z22, scales, minima, Z14, i+2) \
	GROUP(Z23, scales, minima, Z15, i+3)

// func gemvQ4_KAVX512(dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, asks *asks)
TEXT ·gemvQ4_KAVX512(SB), 0, $136-72
	MOVQ $0xf0f0f0f0f0f0f0f0, AX
	VPBROADCASTQ AX, Z31
	MOVL $0x33, AX
	KMOVW AX, K2
	VPSRLQ $4, Z31, K2, Z31
	PICKS
	LOADARGS(144)

	// Invariant: Z30 holds the chains of all blocks before the one at SI, CX > 0 are left.
block:
	ASKTURN(144, ask)
	SUBSCALES
	HALF(16, 0, Z8, Z9, 0)
	HALF(80, 128, Z10, Z11, 4)
	NEXTBLOCK(144)
	ADDQ $32, R14
	DECQ CX
	JNZ  block
	STORELANES
	VZEROUPPER
	RET
