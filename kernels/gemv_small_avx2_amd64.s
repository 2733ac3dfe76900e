//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "unpack_avx2_amd64.h"
#include "unpack_small_avx2_amd64.h"
#include "gemv_avx2_amd64.h"

// The rows functions of the formats that index a table and of two and three bits, see gemv_avx2_amd64.h.

// DOT: |w| times sign(w)*a: a sum of two is at most 127*127*2 and does not saturate.
#define DOT(mem, i, y) \
	LOOKUP(mem, Y4)           \
	VMOVDQU    (32*i)(DI), y  \
	VPABSB     Y4, Y5         \
	VPSIGNB    Y4, y, y       \
	VPMADDUBSW y, Y5, y       \
	VPMADDWD   Y10, y, y

#define DOT_IQ4_NL(i, y) DOT((18*i+2)(SI), i, y)
#define SCALE_IQ4_NL(i) MOVE_SCALE(i, 18)

// func rowsIQ4_NLAVX2(args *gemvArgsAVX2)
TEXT ·rowsIQ4_NLAVX2(SB), 0, $136-8
	ROWS_BEGIN
	NIBBLE_CONSTANTS
	TABLE(·IQ4Values)
	ROWS(18, 64, 2, DOT_IQ4_NL, WIDE4, WIDE1, SCALE_IQ4_NL)

// Codes biased by 12 are below 25.
#define DOT_MXFP4(i, y) \
	LOOKUP((17*i+1)(SI), y) \
	VPMADDUBSW (32*i)(DI), y, y

#define SCALE_MXFP4(i) \
	MOVBLZX (17*i)(SI), AX   \
	MOVL    (R13)(AX*4), AX  \
	MOVL    AX, (64*i)(R9)

// func rowsMXFP4AVX2(args *gemvArgsAVX2)
//
// Scales are f32 [groups, 16].
TEXT ·rowsMXFP4AVX2(SB), 0, $136-8
	ROWS_BEGIN
	NIBBLE_CONSTANTS
	TABLE(·FP4Values)
	BYTES(12, X12, Y12)
	VPADDB Y12, Y13, Y13
	LEAQ   ·HalfE8M0(SB), R13
	ROWS(17, 64, 4, DOT_MXFP4, NARROW4, NARROW1, SCALE_MXFP4)

#define ROW_K \
	MOVQ gemvArgsAVX2_q(BX), DI      \
	MOVQ gemvArgsAVX2_d(BX), R12     \
	MOVQ gemvArgsAVX2_sum16(BX), R13 \
	MOVQ gemvArgsAVX2_blocks(BX), CX

#define NEXT_K(bytes, groups) \
	ADDQ $bytes, SI      \
	ADDQ $256, DI        \
	ADDQ $(4*groups), R8 \
	ADDQ $(4*groups), R9 \
	ADDQ $(4*groups), R10 \
	ADDQ $32, R12        \
	ADDQ $64, R13        \
	DECQ CX              \
	JNE  block           \
	DECQ R11             \
	JNE  row             \
	VZEROUPPER           \
	RET

#define AHEAD 12288 // bytes; the chains ask for nothing

#define PREFETCH_K \
	PREFETCHT0 AHEAD(SI) \
	PREFETCHT0 (AHEAD+64)(SI)

#define DOT_XS(i, y) DOT((8+16*i)(SI), i, y)

// func rowsIQ4_XSAVX2(args *gemvArgsAVX2)
TEXT ·rowsIQ4_XSAVX2(SB), 0, $136-8
	ROWS_BEGIN
	NIBBLE_CONSTANTS
	XS_CONSTANTS
	TABLE(·IQ4Values)
row:
	ROW_K
block:
	PREFETCH_K
	PREFETCHT0 (AHEAD+128)(SI)
	XS_SCALES
	VMULPS  (R12), Y0, Y0
	VMOVUPS Y0, (R9)
	DOT_XS(0, Y0)
	DOT_XS(1, Y1)
	DOT_XS(2, Y2)
	DOT_XS(3, Y3)
	WIDE4
	VMOVDQU X0, (R8)
	DOT_XS(4, Y0)
	DOT_XS(5, Y1)
	DOT_XS(6, Y2)
	DOT_XS(7, Y3)
	WIDE4
	VMOVDQU X0, 16(R8)
	NEXT_K(136, 8)

// TIMES_D: Y0, Y1 times the d of 16 groups of 16.
#define TIMES_D \
	VBROADCASTF128 (R12), Y4      \
	VBROADCASTF128 16(R12), Y5    \
	VPERMILPS      Y9, Y4, Y4     \
	VPERMILPS      Y9, Y5, Y5     \
	VMULPS         Y4, Y0, Y0     \
	VMULPS         Y5, Y1, Y1     \
	VMOVUPS        Y0, (R9)       \
	VMOVUPS        Y1, 32(R9)

DATA twice<>+0(SB)/8, $0x0000000000000000
DATA twice<>+8(SB)/8, $0x0000000100000001
DATA twice<>+16(SB)/8, $0x0000000200000002
DATA twice<>+24(SB)/8, $0x0000000300000003
GLOBL twice<>(SB), RODATA|NOPTR, $32

// SUMS16: X2, X3 = sums of the eight groups of four runs of codes Y0-Y3, at most 7; four products of two fit in 16 bits.
#define SUMS16(h) \
	VPMADDUBSW   (128*h)(DI), Y0, Y0    \
	VPMADDUBSW   (128*h+32)(DI), Y1, Y1 \
	VPMADDUBSW   (128*h+64)(DI), Y2, Y2 \
	VPMADDUBSW   (128*h+96)(DI), Y3, Y3 \
	VPHADDW      Y1, Y0, Y0             \
	VPHADDW      Y3, Y2, Y2             \
	VPHADDW      Y2, Y0, Y0             \
	VPMADDWD     Y10, Y0, Y0            \
	VEXTRACTI128 $1, Y0, X1             \
	VPUNPCKLDQ   X1, X0, X2             \
	VPUNPCKHDQ   X1, X0, X3

#define Q2_K_HALF(h) \
	VMOVDQU (16+32*h)(SI), Y4 \
	CRUMBS(0, Y4, Y0)         \
	CRUMBS(1, Y4, Y1)         \
	CRUMBS(2, Y4, Y2)         \
	CRUMBS(3, Y4, Y3)         \
	SUMS16(h)                 \
	VMOVDQU X2, (32*h)(R8)    \
	VMOVDQU X3, (32*h+16)(R8)

// func rowsQ2_KAVX2(args *gemvArgsAVX2)
TEXT ·rowsQ2_KAVX2(SB), 0, $136-8
	ROWS_BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(3, X14, Y14)
	VMOVDQU twice<>(SB), Y9
row:
	ROW_K
block:
	PREFETCH_K
	Q2_K_SCALES
	VMOVUPS Y2, (R10)
	VMOVUPS Y3, 32(R10)
	TIMES_D
	Q2_K_HALF(0)
	Q2_K_HALF(1)
	NEXT_K(84, 16)

// THREE: codes of run r of Y4 and Y8, biased by 4.
#define THREE(r, y, SHIFT, n) \
	CRUMBS(r, Y4, y) \
	THIRD(SHIFT, n, Y8, y, Y5)

#define UNBIAS(h) \
	SUMS16(h)                     \
	VMOVDQU (32*h)(R13), X4       \
	VMOVDQU (32*h+16)(R13), X5    \
	VPSLLD  $2, X4, X4            \
	VPSLLD  $2, X5, X5            \
	VPSUBD  X4, X2, X2            \
	VPSUBD  X5, X3, X3            \
	VMOVDQU X2, (32*h)(R8)        \
	VMOVDQU X3, (32*h+16)(R8)

// func rowsQ3_KAVX2(args *gemvArgsAVX2)
TEXT ·rowsQ3_KAVX2(SB), 0, $136-8
	ROWS_BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(3, X14, Y14)
	BYTES(4, X13, Y13)
	BYTES(0x30, X12, Y12)
	BYTES(32, X11, Y11)
	VMOVDQU twice<>(SB), Y9
row:
	ROW_K
block:
	PREFETCH_K
	Q3_K_SCALES
	TIMES_D
	VMOVDQU (SI), Y8
	VMOVDQU 32(SI), Y4
	THREE(0, Y0, VPSLLW, 2)
	THREE(1, Y1, VPSLLW, 1)
	THREE(2, Y2, VPSRLW, 0)
	THREE(3, Y3, VPSRLW, 1)
	UNBIAS(0)
	VMOVDQU 64(SI), Y4
	THREE(0, Y0, VPSRLW, 2)
	THREE(1, Y1, VPSRLW, 3)
	THREE(2, Y2, VPSRLW, 4)
	THREE(3, Y3, VPSRLW, 5)
	UNBIAS(1)
	NEXT_K(110, 16)
