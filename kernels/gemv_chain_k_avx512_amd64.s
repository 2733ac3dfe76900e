//go:build !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "turn_avx512_amd64.h"

// Phase two of the Gemv of the K formats, see gemv_chain_avx512_amd64.s and gemv_k_avx512_amd64.s.

#define ARGS \
	MOVQ dst+0(FP), DI     \
	MOVQ mask+8(FP), AX    \
	KMOVW AX, K1           \
	MOVQ sums+16(FP), SI   \
	MOVQ scales+24(FP), R8 \
	MOVQ d+32(FP), R10     \
	MOVQ blocks+48(FP), CX \
	MOVQ next+56(FP), R11  \
	VPXORD Z31, Z31, Z31

// SUPER readies the scales of a super-block: Z29 = d, Z30 = dmin, sub-scales in the frame.
#define SUPER \
	TURNSCALES                 \
	VMOVDQU32 256(R8), Z28     \
	VPMOVDW   Z28, Y29         \
	VCVTPH2PS Y29, Z29         \
	VPSRLD    $16, Z28, Z28    \
	VPMOVDW   Z28, Y30         \
	VCVTPH2PS Y30, Z30         \
	ADDQ      $320, R8

// GROUP: acc = fma(float32(isum), (d*sc)*dx, acc); acc = fma(-(dmin*mn), sx, acc)
#define GROUP(isum, sc, mn, i) \
	VPMOVZXBD         sc, Z24           \
	VPMOVZXBD         mn, Z25           \
	VCVTDQ2PS         Z24, Z24          \
	VCVTDQ2PS         Z25, Z25          \
	VCVTDQ2PS         isum, isum        \
	VMULPS            Z29, Z24, Z24     \
	VMULPS            Z30, Z25, Z25     \
	VMULPS.BCST       (4*i)(R10), Z24, Z24 \
	VFMADD231PS       Z24, isum, Z31    \
	VFNMADD231PS.BCST (4*i)(R9), Z25, Z31 \
	PREFETCHT1        (64*i)(R11)

#define HALF1(a, b, c, d) \
	LANES4(a, b, c, d)                                     \
	GROUP(Z20, turned-256(SP), turned-192(SP), 0)          \
	GROUP(Z22, turned-240(SP), turned-176(SP), 1)          \
	GROUP(Z21, turned-224(SP), turned-160(SP), 2)          \
	GROUP(Z23, turned-208(SP), turned-144(SP), 3)

#define HALF2(a, b, c, d) \
	LANES4(a, b, c, d)                                     \
	GROUP(Z20, turned-128(SP), turned-64(SP), 4)           \
	GROUP(Z22, turned-112(SP), turned-48(SP), 5)           \
	GROUP(Z21, turned-96(SP), turned-32(SP), 6)            \
	GROUP(Z23, turned-80(SP), turned-16(SP), 7)            \
	ADDQ $32, R9                                           \
	ADDQ $32, R10                                          \
	ADDQ $512, R11

// func gemvChainKAVX512(dst *float32, mask int, sums *int32, scales *byte, d, sx *float32, blocks int, next uintptr)
TEXT ·gemvChainKAVX512(SB), 0, $264-64
	ARGS
	MOVQ sx+40(FP), R9

	// Invariant: Z31 holds the chains of all groups before R8, R9, R10; CX > 0 super-blocks are left, their sums at SI.
pair:
	LOADSUMS
	SUPER
	HALF1(Z0, Z4, Z8, Z12)
	HALF2(Z1, Z5, Z9, Z13)
	DECQ CX
	JEQ  done
	SUPER
	HALF1(Z2, Z6, Z10, Z14)
	HALF2(Z3, Z7, Z11, Z15)
	DECQ CX
	JNE  pair
done:
	VMOVUPS Z31, K1, (DI)
	VZEROUPPER
	RET

// GROUP6: acc = fma(float32(isum - 32*sum), (d*sc)*dx, acc), two groups to a dx.
#define GROUP6(isum, sc, i, dx) \
	VPBROADCASTD      (4*i)(R9), Z24    \
	VPMOVSXBD         sc, Z25           \
	VPSLLD            $5, Z24, Z24      \
	VPSUBD            Z24, isum, isum   \
	VCVTDQ2PS         Z25, Z25          \
	VCVTDQ2PS         isum, isum        \
	VMULPS            Z29, Z25, Z25     \
	VMULPS.BCST       (4*dx)(R10), Z25, Z25 \
	VFMADD231PS       Z25, isum, Z31    \
	PREFETCHT1        (64*i)(R11)

// func gemvChainQ6_KAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum16 *int32, blocks int, next uintptr)
TEXT ·gemvChainQ6_KAVX512(SB), 0, $264-64
	ARGS
	MOVQ sum16+40(FP), R9

	// Invariant: Z31 holds the chains of all groups before R8, R9, R10; CX > 0 super-blocks are left, their sums at SI.
block:
	LOADSUMS
	SUPER
	LANES4(Z0, Z4, Z8, Z12)
	GROUP6(Z20, turned-256(SP), 0, 0)
	GROUP6(Z21, turned-240(SP), 1, 0)
	GROUP6(Z22, turned-224(SP), 2, 1)
	GROUP6(Z23, turned-208(SP), 3, 1)
	LANES4(Z1, Z5, Z9, Z13)
	GROUP6(Z20, turned-192(SP), 4, 2)
	GROUP6(Z21, turned-176(SP), 5, 2)
	GROUP6(Z22, turned-160(SP), 6, 3)
	GROUP6(Z23, turned-144(SP), 7, 3)
	LANES4(Z2, Z6, Z10, Z14)
	GROUP6(Z20, turned-128(SP), 8, 4)
	GROUP6(Z21, turned-112(SP), 9, 4)
	GROUP6(Z22, turned-96(SP), 10, 5)
	GROUP6(Z23, turned-80(SP), 11, 5)
	LANES4(Z3, Z7, Z11, Z15)
	GROUP6(Z20, turned-64(SP), 12, 6)
	GROUP6(Z21, turned-48(SP), 13, 6)
	GROUP6(Z22, turned-32(SP), 14, 7)
	GROUP6(Z23, turned-16(SP), 15, 7)
	ADDQ $64, R9
	ADDQ $32, R10
	ADDQ $1024, R11
	DECQ CX
	JNE  block
	VMOVUPS Z31, K1, (DI)
	VZEROUPPER
	RET
