//go:build !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"

// Phase two of a Gemv: 16 chains in the lanes of Z31, over the sums and scales that phase one left in scratch.
// It goes on touching one line of weights a group, so that requests to memory do not pause.

#define ARGS \
	MOVQ dst+0(FP), DI    \
	MOVQ mask+8(FP), AX   \
	KMOVW AX, K1          \
	MOVQ sums+16(FP), SI  \
	MOVQ scales+24(FP), R8 \
	MOVQ d+32(FP), R10    \
	MOVQ groups+48(FP), CX \
	MOVQ next+56(FP), R11 \
	VPXORD Z31, Z31, Z31

// NEXT ends a group.
#define NEXT(scales) \
	ADDQ $scales, R8   \
	ADDQ $4, R9        \
	ADDQ $4, R10       \
	PREFETCHT0 (R11)   \
	ADDQ $64, R11      \
	DECQ CX            \
	JEQ  done

// GROUP: acc = fma(float32(isum - sum<<shift), s*d, acc)
#define GROUP(isum) \
	VPBROADCASTD (R9), Z24          \
	VPSLLVD      Z30, Z24, Z24      \
	VPSUBD       Z24, isum, isum    \
	VCVTDQ2PS    isum, isum         \
	VCVTPH2PS    (R8), Z25          \
	VMULPS.BCST  (R10), Z25, Z25    \
	VFMADD231PS  Z25, isum, Z31     \
	NEXT(32)

// Lanes of a quad hold its blocks in the order 0 2 1 3.
#define QUADCHAIN(group, a, b, c, d) \
	LANES4(a, b, c, d) \
	group(Z20)         \
	group(Z22)         \
	group(Z21)         \
	group(Z23)

// func gemvChainAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, groups int, next uintptr, shift int)
//
//	for g := range groups { for r := range 16 { acc[r] = fma(float32(sums[g][r] - sum[g]<<shift), float32(scales[g][r])*d[g], acc[r]) } }
//	dst[r] = acc[r] where bit r of mask is set
TEXT ·gemvChainAVX512(SB), 0, $136-72
	ARGS
	MOVQ         sum+40(FP), R9
	MOVQ         shift+64(FP), AX
	VPBROADCASTD AX, Z30

	// Invariant: Z31 holds the chains of all groups before the one at R8, R9, R10; CX > 0 are left, their sums at SI.
chunk:
	LOADSUMS
	QUADCHAIN(GROUP, Z0, Z4, Z8, Z12)
	QUADCHAIN(GROUP, Z1, Z5, Z9, Z13)
	QUADCHAIN(GROUP, Z2, Z6, Z10, Z14)
	QUADCHAIN(GROUP, Z3, Z7, Z11, Z15)
	JMP  chunk
done:
	VMOVUPS Z31, K1, (DI)
	VZEROUPPER
	RET

// The even words of 16 dwords, then the odd ones; made of bytes, as the assembler has no larger constants.
DATA evenodd<>+0(SB)/8, $0x0e0c0a0806040200
DATA evenodd<>+8(SB)/8, $0x1e1c1a1816141210
DATA evenodd<>+16(SB)/8, $0x0f0d0b0907050301
DATA evenodd<>+24(SB)/8, $0x1f1d1b1917151311
GLOBL evenodd<>(SB), RODATA|NOPTR, $32

// GROUPMIN: acc = fma(float32(isum), s*d, acc); acc = fma(m, sx, acc)
#define GROUPMIN(isum) \
	VPERMW           (R8), Z29, Z24     \
	VEXTRACTI64X4    $1, Z24, Y26       \
	VCVTPH2PS        Y24, Z25           \
	VCVTPH2PS        Y26, Z24           \
	VCVTDQ2PS        isum, isum         \
	VMULPS.BCST      (R10), Z25, Z25    \
	VFMADD231PS      Z25, isum, Z31     \
	VFMADD231PS.BCST (R9), Z24, Z31     \
	NEXT(64)

// func gemvChainMinAVX512(dst *float32, mask int, sums *int32, scales *byte, d, sx *float32, groups int, next uintptr)
//
// As gemvChainAVX512 with scale and minimum in each dword of scales, no bias, and acc[r] = fma(m[g][r], sx[g], acc[r]).
TEXT ·gemvChainMinAVX512(SB), 0, $136-64
	ARGS
	MOVQ      sx+40(FP), R9
	VPMOVZXBW evenodd<>(SB), Z29

	// Invariant: Z31 holds the chains of all groups before the one at R8, R9, R10; CX > 0 are left, their sums at SI.
chunk:
	LOADSUMS
	QUADCHAIN(GROUPMIN, Z0, Z4, Z8, Z12)
	QUADCHAIN(GROUPMIN, Z1, Z5, Z9, Z13)
	QUADCHAIN(GROUPMIN, Z2, Z6, Z10, Z14)
	QUADCHAIN(GROUPMIN, Z3, Z7, Z11, Z15)
	JMP  chunk
done:
	VMOVUPS Z31, K1, (DI)
	VZEROUPPER
	RET
