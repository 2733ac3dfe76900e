//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// Of two tokens' codes packed by 128 bits, [x0 y0 z0 w0, x1 ...], all of the first and then all of the second.
DATA pairOrder<>+0(SB)/8, $0x0000000400000000
DATA pairOrder<>+8(SB)/8, $0x0000000c00000008
DATA pairOrder<>+16(SB)/8, $0x0000000500000001
DATA pairOrder<>+24(SB)/8, $0x0000000d00000009
DATA pairOrder<>+32(SB)/8, $0x0000000600000002
DATA pairOrder<>+40(SB)/8, $0x0000000e0000000a
DATA pairOrder<>+48(SB)/8, $0x0000000700000003
DATA pairOrder<>+56(SB)/8, $0x0000000f0000000b
GLOBL pairOrder<>(SB), RODATA|NOPTR, $64

// Of the sums in the order 0 2 4 6 1 3 5 7 8 10 12 14 9 11 13 15, the rising one.
DATA sumOrder<>+0(SB)/8, $0x0000000400000000
DATA sumOrder<>+8(SB)/8, $0x0000000500000001
DATA sumOrder<>+16(SB)/8, $0x0000000600000002
DATA sumOrder<>+24(SB)/8, $0x0000000700000003
DATA sumOrder<>+32(SB)/8, $0x0000000c00000008
DATA sumOrder<>+40(SB)/8, $0x0000000d00000009
DATA sumOrder<>+48(SB)/8, $0x0000000e0000000a
DATA sumOrder<>+56(SB)/8, $0x0000000f0000000b
GLOBL sumOrder<>(SB), RODATA|NOPTR, $64

// LARGEST: the bits of |x| of 32 values at lo, hi, pairwise the larger; their order as integers is that as floats, NaN last.
#define LARGEST(lo, hi, dst) \
	VPANDD  lo, Z31, Z16;  \
	VPANDD  hi, Z31, Z17;  \
	VPMAXUD Z16, Z17, dst

// The steps of a tree over vectors of 16: FOLD1 and FOLD2 within 128 bits, FOLD3 across. After FOLD1, FOLD2, FOLD3, FOLD3
// over 16 vectors, lane i of the last holds the fold of vector i.
#define FOLD1(op, a, b) \
	VPUNPCKLDQ b, a, Z16;  \
	VPUNPCKHDQ b, a, Z17;  \
	op         Z16, Z17, a
#define FOLD2(op, a, b) \
	VPUNPCKLQDQ b, a, Z16; \
	VPUNPCKHQDQ b, a, Z17; \
	op          Z16, Z17, a
#define FOLD3(op, a, b) \
	VSHUFI32X4 $0x88, b, a, Z16; \
	VSHUFI32X4 $0xdd, b, a, Z17; \
	op         Z16, Z17, a

// PAIR writes the codes of two tokens, whose factors are i and i+1 of those at CX, to AX and moves it on; sums of 4 go to sum.
#define PAIR(i, lo0, hi0, lo1, hi1, sum) \
	VBROADCASTSS  (4*i)(CX), Z16;   \
	VBROADCASTSS  (4*i+4)(CX), Z17; \
	VMULPS        lo0, Z16, Z18;    \
	VMULPS        hi0, Z16, Z19;    \
	VMULPS        lo1, Z17, Z20;    \
	VMULPS        hi1, Z17, Z21;    \
	VCVTPS2DQ     Z18, Z18;         \ // MXCSR: nearest, ties to even
	VCVTPS2DQ     Z19, Z19;         \
	VCVTPS2DQ     Z20, Z20;         \
	VCVTPS2DQ     Z21, Z21;         \
	VPACKSSDW     Z19, Z18, Z18;    \
	VPACKSSDW     Z21, Z20, Z20;    \
	VPACKSSWB     Z20, Z18, Z18;    \
	VPERMD        Z18, Z27, Z18;    \
	VMOVDQU32     Y18, (AX);        \
	VEXTRACTI64X4 $1, Z18, (AX)(R12*1); \
	LEAQ          (AX)(R12*2), AX;  \
	VPXORD        sum, sum, sum;    \
	VPDPBUSD      Z18, Z28, sum

// func quantize16AVX512(p *quantize16Args) (maxBits uint32)
//
//	for range p.blocks { for 16 tokens { the body of quantize for 32 values; maxBits = max(maxBits, bits(|x|)) } }
//
//	SI, DX x of tokens 0 and 8 · R8-R11 strides of 1, 3, 5, 7 tokens · DI codes · R12 their stride · R13 d · R14 sx ·
//	R15 sum32 or nil · CX factors of 16 tokens · BX blocks left
TEXT ·quantize16AVX512(SB), 0, $136-12
	MOVQ p+0(FP), AX
	MOVQ quantize16Args_x(AX), SI
	MOVQ quantize16Args_xStride(AX), R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	LEAQ (R9)(R8*4), R11
	LEAQ (SI)(R8*8), DX
	MOVQ quantize16Args_codes(AX), DI
	MOVQ quantize16Args_codeStride(AX), R12
	MOVQ quantize16Args_d(AX), R13
	MOVQ quantize16Args_sx(AX), R14
	MOVQ quantize16Args_sum32(AX), R15
	MOVQ quantize16Args_blocks(AX), BX
	MOVL quantize16Args_dStride(AX), CX
	VPBROADCASTD CX, Z26
	VPMULLD lanes<>(SB), Z26, Z26
	LEAQ 63(SP), CX
	ANDQ $~63, CX
	MOVL         $0x7fffffff, AX
	VPBROADCASTD AX, Z31
	MOVL         $0x42fe0000, AX // 127
	VPBROADCASTD AX, Z30
	MOVL         $0x0d800000, AX // 2^-100
	VPBROADCASTD AX, Z29
	MOVL         $0x01010101, AX
	VPBROADCASTD AX, Z28
	VMOVDQU32    pairOrder<>(SB), Z27
	VPXORD       Z25, Z25, Z25   // running maximum of |x| as bits

	// Invariant: the blocks before SI, DX, DI, R13-R15 are done for all tokens, BX > 0 are left.
loop:
	LARGEST((SI), 64(SI), Z0)
	LARGEST((SI)(R8*1), 64(SI)(R8*1), Z1)
	LARGEST((SI)(R8*2), 64(SI)(R8*2), Z2)
	LARGEST((SI)(R9*1), 64(SI)(R9*1), Z3)
	LARGEST((SI)(R8*4), 64(SI)(R8*4), Z4)
	LARGEST((SI)(R10*1), 64(SI)(R10*1), Z5)
	LARGEST((SI)(R9*2), 64(SI)(R9*2), Z6)
	LARGEST((SI)(R11*1), 64(SI)(R11*1), Z7)
	LARGEST((DX), 64(DX), Z8)
	LARGEST((DX)(R8*1), 64(DX)(R8*1), Z9)
	LARGEST((DX)(R8*2), 64(DX)(R8*2), Z10)
	LARGEST((DX)(R9*1), 64(DX)(R9*1), Z11)
	LARGEST((DX)(R8*4), 64(DX)(R8*4), Z12)
	LARGEST((DX)(R10*1), 64(DX)(R10*1), Z13)
	LARGEST((DX)(R9*2), 64(DX)(R9*2), Z14)
	LARGEST((DX)(R11*1), 64(DX)(R11*1), Z15)
	FOLD1(VPMAXUD, Z0, Z1)
	FOLD1(VPMAXUD, Z2, Z3)
	FOLD1(VPMAXUD, Z4, Z5)
	FOLD1(VPMAXUD, Z6, Z7)
	FOLD1(VPMAXUD, Z8, Z9)
	FOLD1(VPMAXUD, Z10, Z11)
	FOLD1(VPMAXUD, Z12, Z13)
	FOLD1(VPMAXUD, Z14, Z15)
	FOLD2(VPMAXUD, Z0, Z2)
	FOLD2(VPMAXUD, Z4, Z6)
	FOLD2(VPMAXUD, Z8, Z10)
	FOLD2(VPMAXUD, Z12, Z14)
	FOLD3(VPMAXUD, Z0, Z4)
	FOLD3(VPMAXUD, Z8, Z12)
	FOLD3(VPMAXUD, Z0, Z8)

	VPMAXUD  Z0, Z25, Z25
	VCMPPS   $13, Z29, Z0, K1 // amax >= 2^-100
	VDIVPS.Z Z30, Z0, K1, Z24 // d = amax / 127
	VDIVPS.Z Z0, Z30, K1, Z1  // 127 / amax
	VMOVUPS  Z1, (CX)

	MOVQ DI, AX
	PAIR(0, (SI), 64(SI), (SI)(R8*1), 64(SI)(R8*1), Z0)
	PAIR(2, (SI)(R8*2), 64(SI)(R8*2), (SI)(R9*1), 64(SI)(R9*1), Z1)
	PAIR(4, (SI)(R8*4), 64(SI)(R8*4), (SI)(R10*1), 64(SI)(R10*1), Z2)
	PAIR(6, (SI)(R9*2), 64(SI)(R9*2), (SI)(R11*1), 64(SI)(R11*1), Z3)
	PAIR(8, (DX), 64(DX), (DX)(R8*1), 64(DX)(R8*1), Z4)
	PAIR(10, (DX)(R8*2), 64(DX)(R8*2), (DX)(R9*1), 64(DX)(R9*1), Z5)
	PAIR(12, (DX)(R8*4), 64(DX)(R8*4), (DX)(R10*1), 64(DX)(R10*1), Z6)
	PAIR(14, (DX)(R9*2), 64(DX)(R9*2), (DX)(R11*1), 64(DX)(R11*1), Z7)
	FOLD1(VPADDD, Z0, Z1)
	FOLD1(VPADDD, Z2, Z3)
	FOLD1(VPADDD, Z4, Z5)
	FOLD1(VPADDD, Z6, Z7)
	FOLD2(VPADDD, Z0, Z2)
	FOLD2(VPADDD, Z4, Z6)
	FOLD3(VPADDD, Z0, Z4)
	VMOVDQU32 sumOrder<>(SB), Z16
	VPERMD    Z0, Z16, Z0
	VCVTDQ2PS Z0, Z1
	VMULPS    Z24, Z1, Z1

	KXNORW       K0, K0, K1
	VSCATTERDPS Z24, K1, (R13)(Z26*4)
	KXNORW       K0, K0, K2
	VSCATTERDPS Z1, K2, (R14)(Z26*4)
	TESTQ R15, R15
	JEQ   next
	KXNORW       K0, K0, K3
	VPSCATTERDD  Z0, K3, (R15)(Z26*4)
	ADDQ $4, R15

next:
	MOVQ p+0(FP), AX
	ADDQ quantize16Args_codeStep(AX), DI
	ADDQ $128, SI
	ADDQ $128, DX
	ADDQ $4, R13
	ADDQ $4, R14
	DECQ BX
	JNE  loop

	VEXTRACTI64X4 $1, Z25, Y0
	VPMAXUD       Y0, Y25, Y0
	VEXTRACTI128  $1, Y0, X1
	VPMAXUD       X1, X0, X0
	VPSHUFD       $0x4e, X0, X1
	VPMAXUD       X1, X0, X0
	VPSHUFD       $0xb1, X0, X1
	VPMAXUD       X1, X0, X0
	VMOVD         X0, AX
	MOVL          AX, maxBits+8(FP)
	VZEROUPPER
	RET

DATA lanes<>+0(SB)/8, $0x0000000100000000
DATA lanes<>+8(SB)/8, $0x0000000300000002
DATA lanes<>+16(SB)/8, $0x0000000500000004
DATA lanes<>+24(SB)/8, $0x0000000700000006
DATA lanes<>+32(SB)/8, $0x0000000900000008
DATA lanes<>+40(SB)/8, $0x0000000b0000000a
DATA lanes<>+48(SB)/8, $0x0000000d0000000c
DATA lanes<>+56(SB)/8, $0x0000000f0000000e
GLOBL lanes<>(SB), RODATA|NOPTR, $64
