//go:build !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "unpack_avx512_amd64.h"

// Unpack of the formats with blocks of 32, see unpack_avx512_amd64.h.

// MINIMUM stores the f16 in its upper half.
#define MINIMUM \
	VPSRLD $16, Z8, Z8 \
	SCALE(DX)

#define FETCH9 FETCH7; PREFETCHT1 448(R13); PREFETCHT1 512(R13)

#define FLIPPED(o, q) \
	VPXORD    Z31, q, q \
	VMOVDQU32 q, o(DI)

// func unpackQ8_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ8_0AVX512(SB), 0, $136-52
	ARGS
loop:
	FETCH9
	HEAD
	SCALE(SI)
	COLUMNS(2)
	FLIPPED(0, Z0)
	FLIPPED(64, Z1)
	FLIPPED(128, Z2)
	FLIPPED(192, Z3)
	COLUMNS(18)
	FLIPPED(256, Z0)
	FLIPPED(320, Z1)
	FLIPPED(384, Z2)
	FLIPPED(448, Z3)
	NEXT(34)

// NIBBLES stores the lower nibbles of q, plus Z31, at o and the upper ones 16 weights later.
#define NIBBLES(o, q) \
	VPSRLD    $4, q, Z4         \
	VPANDD    Z30, q, q         \
	VPANDD    Z30, Z4, Z4       \
	VPADDB    Z31, q, q         \
	VPADDB    Z31, Z4, Z4       \
	VMOVDQU32 q, o(DI)          \
	VMOVDQU32 Z4, (o+256)(DI)

#define ALLNIBBLES \
	NIBBLES(0, Z0)    \
	NIBBLES(64, Z1)   \
	NIBBLES(128, Z2)  \
	NIBBLES(192, Z3)

// func unpackQ4_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ4_0AVX512(SB), 0, $136-52
	ARGS
	BROADCAST(0x0f0f0f0f, Z30)
	BROADCAST(0xf8f8f8f8, Z29)
	VPXORD Z29, Z31, Z31
loop:
	FETCH5
	HEAD
	SCALE(SI)
	COLUMNS(2)
	ALLNIBBLES
	NEXT(18)

// func unpackQ4_1AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ4_1AVX512(SB), 0, $136-52
	ARGS
	BROADCAST(0x0f0f0f0f, Z30)
loop:
	FETCH5
	HEAD
	SCALE(SI)
	MINIMUM
	COLUMNS(4)
	ALLNIBBLES
	NEXT(20)

// The fifth bits of four weights, as bytes of 16, for each value of four bits.
#define FIFTH(i, x) DATA fifth<>+(4*i)(SB)/4, $x
FIFTH(0, 0x00000000)
FIFTH(1, 0x00000010)
FIFTH(2, 0x00001000)
FIFTH(3, 0x00001010)
FIFTH(4, 0x00100000)
FIFTH(5, 0x00100010)
FIFTH(6, 0x00101000)
FIFTH(7, 0x00101010)
FIFTH(8, 0x10000000)
FIFTH(9, 0x10000010)
FIFTH(10, 0x10001000)
FIFTH(11, 0x10001010)
FIFTH(12, 0x10100000)
FIFTH(13, 0x10100010)
FIFTH(14, 0x10101000)
FIFTH(15, 0x10101010)
GLOBL fifth<>(SB), RODATA|NOPTR, $64

// FIVE stores nibbles with their fifth bits, of which those of the lower ones are at bit of Z9: VPERMD takes four.
#define FIVE(o, q, bit) \
	VPSRLD     $bit, Z9, Z4           \
	VPSRLD     $(bit+16), Z9, Z5      \
	VPSRLD     $4, q, Z6              \
	VPERMD     Z31, Z4, Z4            \
	VPERMD     Z31, Z5, Z5            \
	VPTERNLOGD $0xf8, Z30, q, Z4      \
	VPTERNLOGD $0xf8, Z30, Z6, Z5     \
	VMOVDQU32  Z4, o(DI)              \
	VMOVDQU32  Z5, (o+256)(DI)

#define ALLFIVE \
	FIVE(0, Z0, 0)    \
	FIVE(64, Z1, 4)   \
	FIVE(128, Z2, 8)  \
	FIVE(192, Z3, 12)

// func unpackQ5_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ5_0AVX512(SB), 0, $136-52
	ARGS
	BROADCAST(0x0f0f0f0f, Z30)
	BROADCAST(0xf0f0f0f0, Z29)
	VPADDB fifth<>(SB), Z29, Z29
	VPXORD Z29, Z31, Z31
loop:
	FETCH6
	HEAD
	VPSRLD $16, Z8, Z4
	VPSLLD $16, Z9, Z9
	VPORD  Z4, Z9, Z9
	SCALE(SI)
	COLUMNS(6)
	ALLFIVE
	NEXT(22)

// func unpackQ5_1AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ5_1AVX512(SB), 0, $136-52
	ARGS
	BROADCAST(0x0f0f0f0f, Z30)
	VPXORD fifth<>(SB), Z31, Z31
loop:
	FETCH6
	HEAD
	SCALE(SI)
	MINIMUM
	COLUMNS(8)
	ALLFIVE
	NEXT(24)
