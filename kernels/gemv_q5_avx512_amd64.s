//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_runs_avx512_amd64.h"
#include "gemv_block_avx512_amd64.h"

// The fifth bits of 16 codes are made from two bytes by GF2P8AFFINEQB, which takes eight bytes as a matrix: byte 3 gives bit 4 of each result
// (codes of the first half), byte 7 gives bit 0 (second half), and Z24 tells which bit of them.
//
//	Z20 Z21 these bytes of the first and of the second run in a lane of Z22 or Z23

DATA each<>+0(SB)/8, $0x8040201008040201
GLOBL each<>(SB), RODATA|NOPTR, $8

DATA fifth50<>+0(SB)/8, $0x0480808002808080
DATA fifth50<>+8(SB)/8, $0x0580808003808080
GLOBL fifth50<>(SB), RODATA|NOPTR, $16

DATA fifth51<>+0(SB)/8, $0x0680808004808080
DATA fifth51<>+8(SB)/8, $0x0780808005808080
GLOBL fifth51<>(SB), RODATA|NOPTR, $16

DATA pairs<>+0(SB)/8, $0x0d0c090805040100
DATA pairs<>+8(SB)/8, $0x0f0e0b0a07060302
GLOBL pairs<>(SB), RODATA|NOPTR, $16

#define CONSTANTS(fifth) \
	MOVL $0x0f0f0f0f, AX              \
	VPBROADCASTD AX, Z31              \
	VPBROADCASTQ each<>(SB), Z24      \
	MOVL $0x08080808, AX              \
	VPBROADCASTD AX, Z0               \
	VBROADCASTI32X4 fifth<>(SB), Z20  \
	VPADDB Z0, Z20, Z21               \
	MOVQ p+0(FP), DI                  \
	VPBROADCASTD runs_stride(DI), Y0  \
	VPMOVZXBD pairs<>+0(SB), Y18      \
	VPMOVZXBD pairs<>+8(SB), Y19      \
	VPMULLD Y0, Y18, Y18              \
	VPMULLD Y0, Y19, Y19

#define ROW5(a, b, c, d, heads, fifth, acc) \
	LOAD4(a, b, c, d)                   \
	VPSHUFB        fifth, heads, Z6     \
	VGF2P8AFFINEQB $0, Z6, Z24, Z6      \
	VPSRLW         $4, Z4, Z5           \
	VPSLLW         $4, Z6, Z7           \
	VPTERNLOGD     $0xe4, Z31, Z6, Z4   \
	VPTERNLOGD     $0xe4, Z31, Z7, Z5   \
	DOT(Z4, Z5, acc)

#define ROW50(a, b, c, d, acc) ROW5(a, b, c, d, Z22, Z20, acc)
#define ROW51(a, b, c, d, acc) ROW5(a, b, c, d, Z22, Z21, acc)
#define ROW52(a, b, c, d, acc) ROW5(a, b, c, d, Z23, Z20, acc)
#define ROW53(a, b, c, d, acc) ROW5(a, b, c, d, Z23, Z21, acc)

// Q5_0 is the body of its two kernels.
#define Q5_0 \
	CONSTANTS(fifth50)                                                \
	BLOCKS(22, HEADS8, 6, ROW50, ROW51, ROW52, ROW53, PLAIN(4), ASK2)

// Q5_1 is the body of its two kernels.
#define Q5_1 \
	CONSTANTS(fifth51)                                           \
	BLOCKS(24, HEADS8, 8, ROW50, ROW51, ROW52, ROW53, MIN, ASK2)

#define FETCH PREFETCHT0

// func gemvQ5_0AVX512(p *runs)
TEXT ·gemvQ5_0AVX512(SB), 0, $136-8
	Q5_0

// func gemvQ5_1AVX512(p *runs)
TEXT ·gemvQ5_1AVX512(SB), 0, $136-8
	Q5_1

#undef FETCH
#define FETCH PREFETCHT1
#include "gemv_block_amd_amd64.h"

// func gemvQ5_0AVX512AMD(p *runs)
TEXT ·gemvQ5_0AVX512AMD(SB), 0, $136-8
	Q5_0

// func gemvQ5_1AVX512AMD(p *runs)
TEXT ·gemvQ5_1AVX512AMD(SB), 0, $136-8
	Q5_1
