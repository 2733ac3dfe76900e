//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_runs_avx512_amd64.h"
#include "gemv_block_avx512_amd64.h"

#define ROW4(a, b, c, d, acc) \
	LOAD4(a, b, c, d)      \
	VPSRLW $4, Z4, Z5      \
	VPANDD Z31, Z4, Z4     \
	VPANDD Z31, Z5, Z5     \
	DOT(Z4, Z5, acc)

#define NIBBLES \
	MOVL $0x0f0f0f0f, AX \
	VPBROADCASTD AX, Z31

// Q4_0 is the body of its two kernels.
#define Q4_0 \
	NIBBLES                                                       \
	BLOCKS(18, HEADS4, 2, ROW4, ROW4, ROW4, ROW4, PLAIN(3), ASK2)

// Q4_1 is the body of its two kernels.
#define Q4_1 \
	NIBBLES                                                  \
	BLOCKS(20, HEADS4, 4, ROW4, ROW4, ROW4, ROW4, MIN, ASK2)

#define FETCH PREFETCHT0

// func gemvQ4_0AVX512(p *runs)
TEXT ·gemvQ4_0AVX512(SB), 0, $136-8
	Q4_0

// func gemvQ4_1AVX512(p *runs)
TEXT ·gemvQ4_1AVX512(SB), 0, $136-8
	Q4_1

#undef FETCH
#define FETCH PREFETCHT1
#include "gemv_block_amd_amd64.h"

// func gemvQ4_0AVX512AMD(p *runs)
TEXT ·gemvQ4_0AVX512AMD(SB), 0, $136-8
	Q4_0

// func gemvQ4_1AVX512AMD(p *runs)
TEXT ·gemvQ4_1AVX512AMD(SB), 0, $136-8
	Q4_1
