//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_runs_avx512_amd64.h"
#include "gemv_block_avx512_amd64.h"

// ROW8 multiplies 32 codes + 128 of each of four runs.
#define ROW8(a, b, c, d, acc) \
	VMOVDQU      a, Y4             \
	VINSERTI64X4 $1, b, Z4, Z4     \
	VMOVDQU      c, Y5             \
	VINSERTI64X4 $1, d, Z5, Z5     \
	VPXORD       Z31, Z4, Z4       \
	VPXORD       Z31, Z5, Z5       \
	VSHUFI64X2   $0x88, Z5, Z4, Z6 \
	VSHUFI64X2   $0xdd, Z5, Z4, Z7 \
	DOT(Z6, Z7, acc)

// Q8_0 is the body of its two kernels.
#define Q8_0 \
	MOVL $0x80808080, AX                                          \
	VPBROADCASTD AX, Z31                                          \
	BLOCKS(34, HEADS4, 2, ROW8, ROW8, ROW8, ROW8, PLAIN(7), ASK3)

#define FETCH PREFETCHT0

// func gemvQ8_0AVX512(p *runs)
TEXT ·gemvQ8_0AVX512(SB), 0, $136-8
	Q8_0

#undef FETCH
#define FETCH PREFETCHT1
#include "gemv_block_amd_amd64.h"

// func gemvQ8_0AVX512AMD(p *runs)
TEXT ·gemvQ8_0AVX512AMD(SB), 0, $136-8
	Q8_0
