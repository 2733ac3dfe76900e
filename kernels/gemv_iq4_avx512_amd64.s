//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_runs_avx512_amd64.h"
#include "gemv_block_avx512_amd64.h"

// Gemv of the formats whose nibbles index a table. Z24 = the table, biased to be unsigned.

#define TABLE(values, bias) \
	MOVL            $0x0f0f0f0f, AX   \
	VPBROADCASTD    AX, Z31           \
	MOVL            $bias, AX         \
	VPBROADCASTD    AX, Z0            \
	VBROADCASTI32X4 values(SB), Z24   \
	VPADDB          Z0, Z24, Z24

#define ROWT(a, b, c, d, acc) \
	LOAD4(a, b, c, d)      \
	VPSRLW  $4, Z4, Z5     \
	VPANDD  Z31, Z4, Z4    \
	VPANDD  Z31, Z5, Z5    \
	VPSHUFB Z4, Z24, Z4    \
	VPSHUFB Z5, Z24, Z5    \
	DOT(Z4, Z5, acc)

// IQ4_NL is the body of its two kernels.
#define IQ4_NL \
	TABLE(·IQ4Values, 0x80808080)                                 \
	BLOCKS(18, HEADS4, 2, ROWT, ROWT, ROWT, ROWT, PLAIN(7), ASK2)

// POWERS is the CHAIN of scales that are exponents, whose values are those of HalfE8M0: (e-1)<<23 or, below 2, 1<<(21+e).
// Z20 = 1<<21, Z21 = 2, Z22 = 1, Z23 = 255.
#define POWERS \
	UNBIAS(4)                       \
	VPANDD     Z23, Z26, Z26        \
	VPSLLVD    Z26, Z20, Z25        \
	VPCMPUD    $5, Z21, Z26, K1     \
	VPSUBD     Z22, Z26, Z26        \
	VPSLLD     $23, Z26, K1, Z25    \
	SCALED(Z25)

// MXFP4 is the body of its two kernels.
#define MXFP4 \
	TABLE(·FP4Values, 0x10101010)                               \
	MOVL $255, AX                                               \
	VPBROADCASTD AX, Z23                                        \
	MOVL $1, AX                                                 \
	VPBROADCASTD AX, Z22                                        \
	VPADDD Z22, Z22, Z21                                        \
	VPSLLD $21, Z22, Z20                                        \
	BLOCKS(17, HEADS4, 1, ROWT, ROWT, ROWT, ROWT, POWERS, ASK2)

#define FETCH PREFETCHT0

// func gemvIQ4_NLAVX512(p *runs)
TEXT ·gemvIQ4_NLAVX512(SB), 0, $136-8
	IQ4_NL

// func gemvMXFP4AVX512(p *runs)
TEXT ·gemvMXFP4AVX512(SB), 0, $136-8
	MXFP4

#undef FETCH
#define FETCH PREFETCHT1
#include "gemv_block_amd_amd64.h"

// func gemvIQ4_NLAVX512AMD(p *runs)
TEXT ·gemvIQ4_NLAVX512AMD(SB), 0, $136-8
	IQ4_NL

// func gemvMXFP4AVX512AMD(p *runs)
TEXT ·gemvMXFP4AVX512AMD(SB), 0, $136-8
	MXFP4
