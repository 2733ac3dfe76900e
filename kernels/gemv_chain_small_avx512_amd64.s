//go:build !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "turn_avx512_amd64.h"

// Phase two of the Gemv of IQ4_XS, Q2_K and Q3_K: 16 chains in the lanes of Z31, over the sums and scales that phase one left in scratch.
// It goes on touching lines of weights with each group, so that requests to memory do not pause.

// sum: the sums of 32 activations, of 16 for Q2_K and Q3_K.
#define ARGS \
	MOVQ dst+0(FP), DI     \
	MOVQ mask+8(FP), AX    \
	KMOVW AX, K1           \
	MOVQ sums+16(FP), SI   \
	MOVQ scales+24(FP), R8 \
	MOVQ d+32(FP), R10     \
	MOVQ sum+40(FP), R9    \
	MOVQ blocks+48(FP), CX \
	MOVQ next+56(FP), R11  \
	VPXORD Z31, Z31, Z31

#define DONE \
	VMOVUPS Z31, K1, (DI) \
	VZEROUPPER            \
	RET

// UNBIAS: isum -= sum<<shift, as float.
#define UNBIAS(isum, i, shift) \
	VPBROADCASTD (4*(i))(R9), Z24     \
	VPSLLD       $shift, Z24, Z24   \
	VPSUBD       Z24, isum, isum    \
	VCVTDQ2PS    isum, isum

// SUPER readies the scales of a super-block: Z29 = d, Z28 = dmin where there is one, sub-scales in the frame.
#define SUPER \
	TURNSCALES                 \
	VMOVDQU32 256(R8), Z24     \
	VPMOVDW   Z24, Y29         \
	VCVTPH2PS Y29, Z29         \
	VPSRLD    $16, Z24, Z24    \
	VPMOVDW   Z24, Y28         \
	VCVTPH2PS Y28, Z28         \
	ADDQ      $320, R8

// SIX: acc = fma(float32(isum - sum<<shift), (d*(sc-32))*dx, acc); Z30 = 32.
#define SIX(isum, sc, i, shift, dx) \
	UNBIAS(isum, i, shift)             \
	VPMOVZXBD    sc, Z25               \
	VPSUBD       Z30, Z25, Z25         \
	VCVTDQ2PS    Z25, Z25              \
	VMULPS       Z29, Z25, Z25         \
	VMULPS.BCST  (4*dx)(R10), Z25, Z25 \
	VFMADD231PS  Z25, isum, Z31        \
	PREFETCHT1   (64*(i))(R11)

#define HALF1(a, b, c, d) \
	LANES4(a, b, c, d)                    \
	SIX(Z20, turned-256(SP), 0, 7, 0)     \
	SIX(Z22, turned-240(SP), 1, 7, 1)     \
	SIX(Z21, turned-224(SP), 2, 7, 2)     \
	SIX(Z23, turned-208(SP), 3, 7, 3)

#define HALF2(a, b, c, d) \
	LANES4(a, b, c, d)                    \
	SIX(Z20, turned-192(SP), 4, 7, 4)     \
	SIX(Z22, turned-176(SP), 5, 7, 5)     \
	SIX(Z21, turned-160(SP), 6, 7, 6)     \
	SIX(Z23, turned-144(SP), 7, 7, 7)     \
	ADDQ $32, R9                          \
	ADDQ $32, R10                         \
	ADDQ $512, R11

// func gemvChainIQ4_XSAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, blocks int, next uintptr)
TEXT ·gemvChainIQ4_XSAVX512(SB), 0, $264-64
	ARGS
	MOVL         $32, AX
	VPBROADCASTD AX, Z30

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
	DONE

// SIX16 for groups of 16, codes biased by 4, two groups to a dx.
#define SIX16(isum, sc, i) SIX(isum, sc, i, 2, ((i)/2))

// MIN16: acc = fma(float32(isum), (d*sc)*dx, acc); acc = fma(-(dmin*mn), float32(sum)*dx, acc); Z30 = 15.
#define MIN16(isum, sc, i) \
	VPMOVZXBD    sc, Z24                     \
	VPSRLD       $4, Z24, Z25                \
	VPANDD       Z30, Z24, Z24               \
	VPBROADCASTD (4*(i))(R9), Z26              \
	VCVTDQ2PS    Z24, Z24                    \
	VCVTDQ2PS    Z25, Z25                    \
	VCVTDQ2PS    Z26, Z26                    \
	VCVTDQ2PS    isum, isum                  \
	VMULPS       Z29, Z24, Z24               \
	VMULPS       Z28, Z25, Z25               \
	VMULPS.BCST  (4*((i)/2))(R10), Z24, Z24    \
	VMULPS.BCST  (4*((i)/2))(R10), Z26, Z26    \
	VFMADD231PS  Z24, isum, Z31              \
	VFNMADD231PS Z26, Z25, Z31               \
	PREFETCHT1   (64*((i)/2))(R11)

#define FOUR(GROUP16, a, b, c, d, i) \
	LANES4(a, b, c, d)                            \
	GROUP16(Z20, (16*(i)+0)(BX), i)      \
	GROUP16(Z21, (16*(i)+16)(BX), i+1)    \
	GROUP16(Z22, (16*(i)+32)(BX), i+2)    \
	GROUP16(Z23, (16*(i)+48)(BX), i+3)

// CHAIN16: lines = those of memory to come that a block asks for.
#define CHAIN16(GROUP16, lines) \
	LEAQ turned-256(SP), BX            \
block:                                 \
	LOADSUMS                           \
	SUPER                              \
	FOUR(GROUP16, Z0, Z4, Z8, Z12, 0)  \
	FOUR(GROUP16, Z1, Z5, Z9, Z13, 4)  \
	FOUR(GROUP16, Z2, Z6, Z10, Z14, 8) \
	FOUR(GROUP16, Z3, Z7, Z11, Z15, 12) \
	ADDQ $64, R9                       \
	ADDQ $32, R10                      \
	ADDQ $(64*lines), R11              \
	DECQ CX                            \
	JNE  block                         \
	DONE

// func gemvChainQ3_KAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, blocks int, next uintptr)
TEXT ·gemvChainQ3_KAVX512(SB), 0, $264-64
	ARGS
	MOVL         $32, AX
	VPBROADCASTD AX, Z30
	CHAIN16(SIX16, 16)

// func gemvChainQ2_KAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, blocks int, next uintptr)
TEXT ·gemvChainQ2_KAVX512(SB), 0, $264-64
	ARGS
	MOVL         $15, AX
	VPBROADCASTD AX, Z30
	CHAIN16(MIN16, 8)
