//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// gemmInt8xN: N tokens against a tile of 32 rows. With isum starting at the token's start value of the group,
//
//	for g := range groups { isum[t][r] += sum W[r]*q[t]; acc = fma(float32(isum), s[g][r]*d[t], acc); acc = fma(m[g][r], sx[t], acc) }
//	dst[t*ldd + r] = acc where bit r of mask is set

// START sets both sums of a token to its start value.
#define START(addr, lo, hi) \
	VPBROADCASTD addr, lo \
	VPBROADCASTD addr, hi

// DOT adds four weights of 32 rows times four activations of a token.
#define DOT(addr, x, lo, hi) \
	VPBROADCASTD addr, x   \
	VPDPBUSD     x, Z24, lo \
	VPDPBUSD     x, Z25, hi

#define WEIGHTS(o) \
	VMOVDQU32 (64*o)(SI), Z24       \
	VMOVDQU32 (64*o)(SI)(R8*1), Z25

// TOKENSn multiplies step o of a quarter group by n tokens.
#define TOKENS1(o) DOT((4*o)(DI), Z26, Z0, Z1)
#define TOKENS2(o) TOKENS1(o); DOT((4*o)(DI)(R9*1), Z27, Z2, Z3)
#define TOKENS3(o) TOKENS2(o); DOT((4*o)(DI)(R9*2), Z28, Z4, Z5)
#define TOKENS4(o) TOKENS3(o); DOT((4*o)(R10), Z29, Z6, Z7)
#define TOKENS5(o) TOKENS4(o); DOT((4*o)(R10)(R9*1), Z30, Z8, Z9)
#define TOKENS6(o) TOKENS5(o); DOT((4*o)(R10)(R9*2), Z31, Z10, Z11)

// ADD continues the chains of a token; addr = d.
#define ADD(addr, lo, hi, acc0, acc1) \
	VBROADCASTSS addr, Z26       \
	VCVTDQ2PS    lo, lo          \
	VCVTDQ2PS    hi, hi          \
	VMULPS       Z26, Z24, Z27   \
	VMULPS       Z26, Z25, Z28   \
	VFMADD231PS  Z27, lo, acc0   \
	VFMADD231PS  Z28, hi, acc1

// ADDMIN continues them by the minimum; addr = sx.
#define ADDMIN(addr, acc0, acc1) \
	VBROADCASTSS addr, Z26       \
	VFMADD231PS  Z26, Z24, acc0  \
	VFMADD231PS  Z26, Z25, acc1

// ADDMIN16 does so for groups of 16, whose sx = float(sum)*d: start is -128*sum, Z29 zero.
#define ADDMIN16(start, d, acc0, acc1) \
	VPBROADCASTD start, Z26       \
	VPSRAD       $7, Z26, Z26     \
	VPSUBD       Z26, Z29, Z26    \
	VCVTDQ2PS    Z26, Z26         \
	VBROADCASTSS d, Z27           \
	VMULPS       Z27, Z26, Z26    \
	VFMADD231PS  Z26, Z24, acc0   \
	VFMADD231PS  Z26, Z25, acc1

// FETCH asks for the two lines that STORE will write, by bytes: prefetchw (DI), prefetchw 64(DI). The results of each
// token lie in another page, and waiting for their lines would cost a fifth of the time.
#define FETCH \
	BYTE $0x0f; BYTE $0x0d; BYTE $0x0f             \
	BYTE $0x0f; BYTE $0x0d; BYTE $0x4f; BYTE $0x40 \
	ADDQ R9, DI

#define STORE(lo, hi) \
	VMOVUPS lo, K1, (DI)   \
	VMOVUPS hi, K2, 64(DI) \
	ADDQ    R9, DI

// CORR writes the start values -128*sum of n tokens, [n, K/16], whole vectors; later tokens overwrite the surplus.
#define CORR(n) \
	MOVQ      p+0(FP), AX            \
	MOVQ      int8Args_sum(AX), SI   \
	MOVQ      int8Args_sumStride(AX), R9 \
	MOVQ      int8Args_corr(AX), DI  \
	MOVQ      int8Args_k(AX), R10    \
	SHRQ      $2, R10                \
	MOVQ      int8Args_groups(AX), CX \
	VPXORD    Z1, Z1, Z1             \
	MOVQ      $n, R8                 \
token:                               \
	XORQ      DX, DX                 \
vector:                              \
	VPSLLD    $7, (SI)(DX*4), Z0     \
	VPSUBD    Z0, Z1, Z0             \
	VMOVDQU32 Z0, (DI)(DX*4)         \
	ADDQ      $16, DX                \
	CMPQ      DX, CX                 \
	JLT       vector                 \
	ADDQ      R9, SI                 \
	ADDQ      R10, DI                \
	DECQ      R8                     \
	JNZ       token

#define TOKENS TOKENS1
// func gemmInt8x1AVX512(p *int8Args)
TEXT ·gemmInt8x1AVX512(SB), 0, $136-8
	CORR(1)
#include "gemm_int8_avx512_amd64.h"

#define N2
#undef TOKENS

#define TOKENS TOKENS2
// func gemmInt8x2AVX512(p *int8Args)
TEXT ·gemmInt8x2AVX512(SB), 0, $136-8
	CORR(2)
#include "gemm_int8_avx512_amd64.h"

#define N3
#undef TOKENS

#define TOKENS TOKENS3
// func gemmInt8x3AVX512(p *int8Args)
TEXT ·gemmInt8x3AVX512(SB), 0, $136-8
	CORR(3)
#include "gemm_int8_avx512_amd64.h"

#define N4
#undef TOKENS

#define TOKENS TOKENS4
// func gemmInt8x4AVX512(p *int8Args)
TEXT ·gemmInt8x4AVX512(SB), 0, $136-8
	CORR(4)
#include "gemm_int8_avx512_amd64.h"

#define N5
#undef TOKENS

#define TOKENS TOKENS5
// func gemmInt8x5AVX512(p *int8Args)
TEXT ·gemmInt8x5AVX512(SB), 0, $136-8
	CORR(5)
#include "gemm_int8_avx512_amd64.h"

#define N6
#undef TOKENS

#define TOKENS TOKENS6
// func gemmInt8x6AVX512(p *int8Args)
TEXT ·gemmInt8x6AVX512(SB), 0, $136-8
	CORR(6)
#include "gemm_int8_avx512_amd64.h"
