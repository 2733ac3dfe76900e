//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "unpack_avx2_amd64.h"
#include "gemv_avx2_amd64.h"

// |w| times sign(w)*a: a sum of two is at most 128*127*2 and does not saturate.
#define DOT_Q8_0(i, y) \
	VMOVDQU    (34*i+2)(SI), Y4 \
	VMOVDQU    (32*i)(DI), y    \
	VPABSB     Y4, Y5           \
	VPSIGNB    Y4, y, y         \
	VPMADDUBSW y, Y5, y         \
	VPMADDWD   Y10, y, y

#define DOT_Q4_0(i, y) \
	NIBBLES((18*i+2)(SI), y) \
	VPMADDUBSW (32*i)(DI), y, y

#define DOT_Q4_1(i, y) \
	NIBBLES((20*i+4)(SI), y) \
	VPMADDUBSW (32*i)(DI), y, y

#define DOT_Q5_0(i, y) \
	NIBBLES((22*i+6)(SI), y)        \
	FIFTH_BITS((22*i+2)(SI), y, Y4) \
	VPMADDUBSW (32*i)(DI), y, y

#define DOT_Q5_1(i, y) \
	NIBBLES((24*i+8)(SI), y)        \
	FIFTH_BITS((24*i+4)(SI), y, Y4) \
	VPMADDUBSW (32*i)(DI), y, y

#define SCALE_Q8_0(i) MOVE_SCALE(i, 34)
#define SCALE_Q4_0(i) MOVE_SCALE(i, 18)
#define SCALE_Q4_1(i) MOVE_PAIR(i, 20)
#define SCALE_Q5_0(i) MOVE_SCALE(i, 22)
#define SCALE_Q5_1(i) MOVE_PAIR(i, 24)

// func rowsQ8_0AVX2(args *gemvArgsAVX2)
TEXT ·rowsQ8_0AVX2(SB), 0, $136-8
	ROWS_BEGIN
	ROWS(34, 128, 2, DOT_Q8_0, WIDE4, WIDE1, SCALE_Q8_0)

// func rowsQ4_0AVX2(args *gemvArgsAVX2)
TEXT ·rowsQ4_0AVX2(SB), 0, $136-8
	ROWS_BEGIN
	NIBBLE_CONSTANTS
	ROWS(18, 64, 2, DOT_Q4_0, NARROW4, NARROW1, SCALE_Q4_0)

// func rowsQ4_1AVX2(args *gemvArgsAVX2)
TEXT ·rowsQ4_1AVX2(SB), 0, $136-8
	ROWS_BEGIN
	NIBBLE_CONSTANTS
	ROWS(20, 64, 4, DOT_Q4_1, NARROW4, NARROW1, SCALE_Q4_1)

// func rowsQ5_0AVX2(args *gemvArgsAVX2)
TEXT ·rowsQ5_0AVX2(SB), 0, $136-8
	ROWS_BEGIN
	NIBBLE_CONSTANTS
	BIT_CONSTANTS
	ROWS(22, 64, 2, DOT_Q5_0, NARROW4, NARROW1, SCALE_Q5_0)

// func rowsQ5_1AVX2(args *gemvArgsAVX2)
TEXT ·rowsQ5_1AVX2(SB), 0, $136-8
	ROWS_BEGIN
	NIBBLE_CONSTANTS
	BIT_CONSTANTS
	ROWS(24, 64, 4, DOT_Q5_1, NARROW4, NARROW1, SCALE_Q5_1)
