//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_avx512_amd64.h"

// Phase one of the Gemv of IQ4_XS. Z30 = the table of its nibbles, biased to be unsigned.

#define TABLE(values, bias) \
	MOVL            $0x0f0f0f0f, AX   \
	VPBROADCASTD    AX, Z31           \
	MOVL            $bias, AX         \
	VPBROADCASTD    AX, Z29           \
	VBROADCASTI32X4 values(SB), Z30   \
	VPADDB          Z29, Z30, Z30

// LOOKUP: Z6, Z7 = the values of the lower and of the upper nibbles of Z4.
#define LOOKUP \
	VPSRLW  $4, Z4, Z7  \
	VPANDD  Z31, Z4, Z6 \
	VPANDD  Z31, Z7, Z7 \
	VPSHUFB Z6, Z30, Z6 \
	VPSHUFB Z7, Z30, Z7

#define DOT(xo, acc) \
	VPXORD   acc, acc, acc      \
	VPDPBUSD (xo)(R11), Z6, acc \
	VPDPBUSD (xo+64)(R11), Z7, acc

// QUAD_XS: four groups of a block of IQ4_XS, which lie in their order.
#define QUAD_XS(o, xo, acc) \
	VMOVDQU32  o(SI), Z4         \
	VSHUFI64X2 $0xd8, Z4, Z4, Z4 \
	LOOKUP                       \
	DOT(xo, acc)

// BLOCK_XS also stores the eight scales of six bits, without their bias, as bytes.
#define BLOCK_XS(a, b) \
	MOVL    (SI), AX       \
	MOVL    4(SI), BX      \
	MOVL    AX, (R9)       \
	SHRL    $16, AX        \
	PDEPQ   R14, BX, BX    \
	PDEPQ   R15, AX, AX    \
	ORQ     BX, AX         \
	MOVQ    AX, (R13)      \
	QUAD_XS(8, 0, a)       \
	QUAD_XS(72, 128, b)    \
	PREFETCHT0 (R10)       \
	PREFETCHT0 64(R10)     \
	ADDQ    $104, R10      \
	ADDQ    $136, SI       \
	ADDQ    $256, R11      \
	ADDQ    $320, R13      \
	ADDQ    $320, R9

// func gemvSumsIQ4_XSAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)
//
// sums [blocks/2, 16 rows, 16] int32, lanes of a quad in the group order 0 2 1 3; scales [blocks] of 16 rows x 16 bytes
// (eight are used), then 16 dwords with d.
TEXT ·gemvSumsIQ4_XSAVX512(SB), 0, $136-64
	TABLE(·IQ4Values, 0x80808080)
	MOVQ w+16(FP), SI
	FETCHFIRST
	MOVQ $0x0f0f0f0f0f0f0f0f, R14
	MOVQ $0x3030303030303030, R15
	XORQ R8, R8 // row

	// Invariant: rows below R8 are done, row R8 starts at SI.
row:
	FETCHJUMP(within)
	MOVQ x+24(FP), R11
	MOVQ blocks+40(FP), CX
	MOVQ R8, AX
	SHLQ $4, AX
	MOVQ scales+8(FP), R9
	LEAQ (R9)(AX*1), R13
	LEAQ 256(R9)(R8*4), R9
	MOVQ sums+0(FP), R12
	LEAQ (R12)(AX*4), R12

	// Invariant: CX > 0 blocks of the row are left, the next at SI.
pair:
	BLOCK_XS(Z0, Z1)
	DECQ CX
	JEQ  store
	BLOCK_XS(Z2, Z3)
	DECQ CX
store:
	REDUCE
	VMOVDQU32 Z0, (R12)
	ADDQ  $1024, R12
	TESTQ CX, CX
	JNE   pair
	INCQ  R8
	CMPQ  R8, rows+32(FP)
	JLT   row
	FETCHJUMP(done)
	MOVQ  R10, next+56(FP)
	VZEROUPPER
	RET
