//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "unpack_avx2_amd64.h"
#include "gemv_avx2_amd64.h"

// The rows functions of the K formats. Rows have whole blocks of 8 or 16 groups, so the scratch has no gaps:
//
//	R8 sums, R9 scales*d, R10 minima: all [16, groups], at the block's first group
//	R12 d of the block's activations   R13 their sums of 16   R11 rows left   CX blocks left in the row
#define ROW_K \
	MOVQ gemvArgsAVX2_q(BX), DI      \
	MOVQ gemvArgsAVX2_d(BX), R12     \
	MOVQ gemvArgsAVX2_sum16(BX), R13 \
	MOVQ gemvArgsAVX2_blocks(BX), CX

#define AHEAD 12288 // bytes; the chains ask for nothing

#define PREFETCH_K \
	PREFETCHT0 AHEAD(SI)      \
	PREFETCHT0 (AHEAD+64)(SI) \
	PREFETCHT0 (AHEAD+128)(SI)

#define SCALES_MINIMA \
	K_SCALES(X0, Y0, X1, Y1, X2, Y2) \
	VMULPS  (R12), Y0, Y0            \
	VMOVUPS Y0, (R9)                 \
	VMOVUPS Y1, (R10)

#define Q4_K_PAIR(i, a, b) \
	VMOVDQU    (16+32*i)(SI), a      \
	VPSRLW     $4, a, b              \
	VPAND      Y15, a, a             \
	VPAND      Y15, b, b             \
	VPMADDUBSW (64*i)(DI), a, a      \
	VPMADDUBSW (64*i+32)(DI), b, b

// func rowsQ4_KAVX2(args *gemvArgsAVX2)
TEXT ·rowsQ4_KAVX2(SB), 0, $136-8
	ROWS_BEGIN
	BYTES(0x0f, X15, Y15)
row:
	ROW_K
block:
	PREFETCH_K
	SCALES_MINIMA
	Q4_K_PAIR(0, Y0, Y1)
	Q4_K_PAIR(1, Y2, Y3)
	NARROW4
	VMOVDQU X0, (R8)
	Q4_K_PAIR(2, Y0, Y1)
	Q4_K_PAIR(3, Y2, Y3)
	NARROW4
	VMOVDQU X0, 16(R8)
	ADDQ $144, SI
	ADDQ $256, DI
	ADDQ $32, R8
	ADDQ $32, R9
	ADDQ $32, R10
	ADDQ $32, R12
	DECQ CX
	JNE  block
	DECQ R11
	JNE  row
	VZEROUPPER
	RET

// Bits 2i and 2i+1 of the high bytes Y8 are the fifth bits; Y8 has been shifted down 2i bits.
#define Q5_K_PAIR(i, a, b) \
	VMOVDQU    (48+32*i)(SI), a      \
	VPSRLW     $4, a, b              \
	VPAND      Y15, a, a             \
	VPAND      Y15, b, b             \
	VPSLLW     $4, Y8, Y4            \
	VPSLLW     $3, Y8, Y5            \
	VPAND      Y11, Y4, Y4           \
	VPAND      Y11, Y5, Y5           \
	VPOR       Y4, a, a              \
	VPOR       Y5, b, b              \
	VPSRLW     $2, Y8, Y8            \
	VPMADDUBSW (64*i)(DI), a, a      \
	VPMADDUBSW (64*i+32)(DI), b, b

// func rowsQ5_KAVX2(args *gemvArgsAVX2)
TEXT ·rowsQ5_KAVX2(SB), 0, $136-8
	ROWS_BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(0x10, X11, Y11)
row:
	ROW_K
block:
	PREFETCH_K
	SCALES_MINIMA
	VMOVDQU 16(SI), Y8
	Q5_K_PAIR(0, Y0, Y1)
	Q5_K_PAIR(1, Y2, Y3)
	NARROW4
	VMOVDQU X0, (R8)
	Q5_K_PAIR(2, Y0, Y1)
	Q5_K_PAIR(3, Y2, Y3)
	NARROW4
	VMOVDQU X0, 16(R8)
	ADDQ $176, SI
	ADDQ $256, DI
	ADDQ $32, R8
	ADDQ $32, R9
	ADDQ $32, R10
	ADDQ $32, R12
	DECQ CX
	JNE  block
	DECQ R11
	JNE  row
	VZEROUPPER
	RET

DATA twice<>+0(SB)/8, $0x0000000000000000
DATA twice<>+8(SB)/8, $0x0000000100000001
DATA twice<>+16(SB)/8, $0x0000000200000002
DATA twice<>+24(SB)/8, $0x0000000300000003
GLOBL twice<>(SB), RODATA|NOPTR, $32

// Half h of a block: sums of 8 groups of 16 of codes + 32. A pair of products is at most 63*127*2, four still fit.
#define Q6_K_HALF(h) \
	VMOVDQU    (64*h)(SI), Y0          \
	VMOVDQU    (64*h+32)(SI), Y1       \
	VMOVDQU    (128+32*h)(SI), Y4      \
	VPSRLW     $4, Y0, Y2              \
	VPSRLW     $4, Y1, Y3              \
	VPAND      Y15, Y0, Y0             \
	VPAND      Y15, Y1, Y1             \
	VPAND      Y15, Y2, Y2             \
	VPAND      Y15, Y3, Y3             \
	VPSLLW     $4, Y4, Y5              \
	VPSLLW     $2, Y4, Y6              \
	VPSRLW     $2, Y4, Y7              \
	VPAND      Y14, Y5, Y5             \
	VPAND      Y14, Y6, Y6             \
	VPAND      Y14, Y4, Y4             \
	VPAND      Y14, Y7, Y7             \
	VPOR       Y5, Y0, Y0              \
	VPOR       Y6, Y1, Y1              \
	VPOR       Y4, Y2, Y2              \
	VPOR       Y7, Y3, Y3              \
	VPMADDUBSW (128*h)(DI), Y0, Y0     \
	VPMADDUBSW (128*h+32)(DI), Y1, Y1  \
	VPMADDUBSW (128*h+64)(DI), Y2, Y2  \
	VPMADDUBSW (128*h+96)(DI), Y3, Y3  \
	VPHADDW    Y1, Y0, Y0              \
	VPHADDW    Y3, Y2, Y2              \
	VPMADDWD   Y10, Y0, Y0             \
	VPMADDWD   Y10, Y2, Y2             \
	VPHADDD    Y2, Y0, Y0              \
	VEXTRACTI128 $1, Y0, X1            \
	VMOVDQU    (32*h)(R13), X4         \
	VMOVDQU    (32*h+16)(R13), X5      \
	VPSLLD     $5, X4, X4              \
	VPSLLD     $5, X5, X5              \
	VPUNPCKLDQ X1, X0, X2              \
	VPUNPCKHDQ X1, X0, X3              \
	VPSUBD     X4, X2, X2              \
	VPSUBD     X5, X3, X3              \
	VMOVDQU    X2, (32*h)(R8)          \
	VMOVDQU    X3, (32*h+16)(R8)

// func rowsQ6_KAVX2(args *gemvArgsAVX2)
TEXT ·rowsQ6_KAVX2(SB), 0, $136-8
	ROWS_BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(0x30, X14, Y14)
	VMOVDQU twice<>(SB), Y13
row:
	ROW_K
block:
	PREFETCH_K
	PREFETCHT0     (AHEAD+192)(SI)
	VPBROADCASTW   208(SI), X2
	VCVTPH2PS      X2, Y2
	VPMOVSXBD      192(SI), Y0
	VPMOVSXBD      200(SI), Y1
	VCVTDQ2PS      Y0, Y0
	VCVTDQ2PS      Y1, Y1
	VMULPS         Y2, Y0, Y0
	VMULPS         Y2, Y1, Y1
	VBROADCASTF128 (R12), Y2
	VBROADCASTF128 16(R12), Y3
	VPERMILPS      Y13, Y2, Y2
	VPERMILPS      Y13, Y3, Y3
	VMULPS         Y2, Y0, Y0
	VMULPS         Y3, Y1, Y1
	VMOVUPS        Y0, (R9)
	VMOVUPS        Y1, 32(R9)
	Q6_K_HALF(0)
	Q6_K_HALF(1)
	ADDQ $210, SI
	ADDQ $256, DI
	ADDQ $64, R8
	ADDQ $64, R9
	ADDQ $32, R12
	ADDQ $64, R13
	DECQ CX
	JNE  block
	DECQ R11
	JNE  row
	VZEROUPPER
	RET
