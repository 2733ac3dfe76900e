//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "gemm_int8_avx2_amd64.h"
#include "vex_dot_amd64.h"

// The micro-tile of AVX2 with VPDPBUSD, which does not saturate: one kernel for all codes. Loops and registers as there.

#define DOT_QUAD(i) \
	VMOVDQU (64*i)(BX), Y8         \
	VMOVDQU (64*i+32)(BX), Y9      \
	VPBROADCASTD (4*i)(SI), Y10    \
	DPBUSD(10, 8, 0)               \
	DPBUSD(10, 9, 1)               \
	VPBROADCASTD (4*i)(SI)(R8*1), Y11 \
	DPBUSD(11, 8, 2)               \
	DPBUSD(11, 9, 3)               \
	VPBROADCASTD (4*i)(SI)(R8*2), Y12 \
	DPBUSD(12, 8, 4)               \
	DPBUSD(12, 9, 5)               \
	VPBROADCASTD (4*i)(SI)(R9*1), Y13 \
	DPBUSD(13, 8, 6)               \
	DPBUSD(13, 9, 7)

#define UNBIAS_ALL(s1, s2, s3) \
	VPBROADCASTD tileArgsAVX2_bias(AX), Y8 \
	UNBIAS((R12), Y0, Y1)    \
	UNBIAS((R12)s1, Y2, Y3)  \
	UNBIAS((R12)s2, Y4, Y5)  \
	UNBIAS((R12)s3, Y6, Y7)

#define CHAIN_ALL \
	CHAIN(0, (R10), Y0, Y1)          \
	CHAIN(64, (R10)(R13*1), Y2, Y3)  \
	CHAIN(128, (R10)(R13*2), Y4, Y5) \
	CHAIN(192, (R10)(R14*1), Y6, Y7)

#define MINIMUM_ALL \
	MINIMUM((R11), Y0, Y1)        \
	MINIMUM((R11)(R13*1), Y2, Y3) \
	MINIMUM((R11)(R13*2), Y4, Y5) \
	MINIMUM((R11)(R14*1), Y6, Y7)

// func tileDot32VNNI(args *tileArgsAVX2)
TEXT ·tileDot32VNNI(SB), 0, $136-8
	BEGIN
group:
	EACH(ZERO)
	DOT_QUAD(0)
	DOT_QUAD(1)
	DOT_QUAD(2)
	DOT_QUAD(3)
	DOT_QUAD(4)
	DOT_QUAD(5)
	DOT_QUAD(6)
	DOT_QUAD(7)
	CMPQ tileArgsAVX2_bias(AX), $0
	JEQ  unbiased
	UNBIAS_ALL((R13*1), (R13*2), (R14*1))
unbiased:
	CHAIN_ALL
	CMPQ tileArgsAVX2_m(AX), $0
	JEQ  stored
	MINIMUM_ALL
stored:
	EACH(STORE)
	ADDQ $512, BX
	ADDQ $128, CX
	ADDQ $128, DX
	ADDQ $32, SI
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $4, R12
	DECQ R15
	JNZ  group
	VZEROUPPER
	RET

// func tileDot16VNNI(args *tileArgsAVX2)
// R11 toggles between 0 and 4 bytes of advance of d; the sums of 16 lie twice as far apart as the scales of 32.
TEXT ·tileDot16VNNI(SB), 0, $136-8
	BEGIN
	XORL R11, R11
group:
	EACH(ZERO)
	DOT_QUAD(0)
	DOT_QUAD(1)
	DOT_QUAD(2)
	DOT_QUAD(3)
	UNBIAS_ALL((R13*2), (R13*4), (R14*2))
	CHAIN_ALL
	CMPQ tileArgsAVX2_m(AX), $0
	JEQ  stored
	MINIMUM16_ALL
stored:
	EACH(STORE)
	ADDQ $256, BX
	ADDQ $128, CX
	ADDQ $128, DX
	ADDQ $16, SI
	ADDQ R11, R10
	XORQ $4, R11
	ADDQ $4, R12
	DECQ R15
	JNZ  group
	VZEROUPPER
	RET
