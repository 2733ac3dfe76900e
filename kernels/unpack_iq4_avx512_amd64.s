//go:build !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "unpack_avx512_amd64.h"

// Unpack of the formats whose nibbles index a table, see unpack_avx512_amd64.h. Z31 = the table's bytes, changed by flip.

#define TABLE(values) \
	VBROADCASTI32X4 values(SB), Z29 \
	VPXORD          Z29, Z31, Z31   \
	BROADCAST(0x0f0f0f0f, Z30)

// LOOKUP stores the values of the lower nibbles of q at o and those of the upper ones 16 weights later.
#define LOOKUP(o, q) \
	VPSRLD    $4, q, Z4       \
	VPANDD    Z30, q, q       \
	VPANDD    Z30, Z4, Z4     \
	VPSHUFB   q, Z31, q       \
	VPSHUFB   Z4, Z31, Z4     \
	VMOVDQU32 q, o(DI)        \
	VMOVDQU32 Z4, (o+256)(DI)

#define GROUP(from, o) \
	COLUMNS(from)         \
	LOOKUP(o, Z0)         \
	LOOKUP((o+64), Z1)    \
	LOOKUP((o+128), Z2)   \
	LOOKUP((o+192), Z3)

// func unpackIQ4_NLAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackIQ4_NLAVX512(SB), 0, $136-52
	ARGS
	TABLE(·IQ4Values)
loop:
	FETCH5
	HEAD
	SCALE(SI)
	GROUP(2, 0)
	NEXT(18)

// func unpackMXFP4AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackMXFP4AVX512(SB), 0, $136-52
	ARGS
	TABLE(·FP4Values)
	BROADCAST(0x000000ff, Z29)
	BROADCAST(0x00000080, Z28)
	BROADCAST(0x3f800000, Z27)
loop:
	FETCH5
	HEAD
	VPANDD    Z29, Z8, Z8 // 2^(e-128)
	VPSUBD    Z28, Z8, Z8
	VCVTDQ2PS Z8, Z8
	VSCALEFPS Z8, Z27, Z8
	VMOVUPS   Z8, (SI)
	ADDQ      $128, SI
	GROUP(1, 0)
	NEXT(17)

// GROUP_XS: d*sc of group g, whose four lower bits are in Z9 and whose two upper ones follow d in Z8, and its codes. Z10 = d.
#define GROUP_XS(g) \
	FETCH5                            \
	ADDQ   $272, R13                  \
	VPSRLD $(4*g), Z9, Z4             \
	VPSRLD $(12+2*g), Z8, Z6          \
	VPANDD Z29, Z4, Z4                \
	VPTERNLOGD $0xf8, Z28, Z6, Z4     \
	VPSUBD Z27, Z4, Z4                \
	PRODUCT(Z4, Z10, (128*g)(SI))     \
	GROUP((8+16*g), (512*g))

// func unpackIQ4_XSAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackIQ4_XSAVX512(SB), 0, $136-52
	ARGS
	TABLE(·IQ4Values)
	BROADCAST(0x0000000f, Z29)
	BROADCAST(0x00000030, Z28)
	BROADCAST(0x00000020, Z27)
loop:
	HEAD
	VPMOVDW   Z8, Y10
	VCVTPH2PS Y10, Z10
	GROUP_XS(0)
	GROUP_XS(1)
	GROUP_XS(2)
	GROUP_XS(3)
	GROUP_XS(4)
	GROUP_XS(5)
	GROUP_XS(6)
	GROUP_XS(7)
	NEXT_K(136, 8)
