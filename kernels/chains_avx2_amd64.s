//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "transpose_avx2_amd64.h"

// The second half of a Gemv: 16 rows as lanes, each its own chain over the groups in rising order.
//
//	AX arguments   BX groups left   SI, R10, R11, R12 sums of rows 0, 4, 8, 12, rows R8 bytes apart (R9 = 3 R8)
//	CX scales [groups, 16] f16 or pairs with the minimum [groups, 16, 2]   DX d   R14 sx   R13 sums of the activations
//	Y14, Y15 the chains of rows 0-7 and 8-15, over all groups before
#define BEGIN \
	MOVQ         args+0(FP), AX                \
	MOVQ         gemvArgsAVX2_groups(AX), BX   \
	MOVQ         gemvArgsAVX2_sums(AX), SI     \
	MOVQ         gemvArgsAVX2_stride(AX), R8   \
	MOVQ         gemvArgsAVX2_scales(AX), CX   \
	MOVQ         gemvArgsAVX2_d(AX), DX        \
	MOVQ         gemvArgsAVX2_sx(AX), R14      \
	MOVQ         gemvArgsAVX2_sum32(AX), R13   \
	VPBROADCASTD gemvArgsAVX2_bias(AX), Y13    \
	MOVQ         gemvArgsAVX2_ahead(AX), R15   \
	MOVQ         gemvArgsAVX2_out(AX), AX      \
	LEAQ         (R8)(R8*2), R9                \
	LEAQ         (SI)(R8*4), R10               \
	LEAQ         (SI)(R8*8), R11               \
	LEAQ         (R10)(R8*8), R12              \
	VXORPS       Y14, Y14, Y14                 \
	VXORPS       Y15, Y15, Y15

// COLUMNS: sums of four groups as lanes: Y2-Y5 rows 0-7, Y8-Y11 rows 8-15.
#define COLUMNS \
	ROWS4(SI, R10, R8, R9, X0, Y0, X1, Y1, X2, Y2, X3, Y3)  \
	TRANSPOSE4(Y0, Y1, Y2, Y3, Y4, Y5)                      \
	ROWS4(R11, R12, R8, R9, X6, Y6, X7, Y7, X8, Y8, X9, Y9) \
	TRANSPOSE4(Y6, Y7, Y8, Y9, Y10, Y11)

// CHAIN: one step, fma(float(sum), s*d, acc), of group j.
#define CHAIN(j, a, b) \
	VBROADCASTSS (4*j)(DX), Y0      \
	VCVTPH2PS    (32*j)(CX), Y1     \
	VCVTPH2PS    (32*j+16)(CX), Y6  \
	VMULPS       Y0, Y1, Y1         \
	VMULPS       Y0, Y6, Y6         \
	VCVTDQ2PS    a, a               \
	VCVTDQ2PS    b, b               \
	VFMADD231PS  Y1, a, Y14         \
	VFMADD231PS  Y6, b, Y15

// CHAIN_BIAS: the same after sum -= bias*sum32.
#define CHAIN_BIAS(j, a, b) \
	VPBROADCASTD (4*j)(R13), Y0  \
	VPMULLD      Y13, Y0, Y0     \
	VPSUBD       Y0, a, a        \
	VPSUBD       Y0, b, b        \
	CHAIN(j, a, b)

DATA pairs<>+0(SB)/8, $0x0d0c090805040100
DATA pairs<>+8(SB)/8, $0x0f0e0b0a07060302
GLOBL pairs<>(SB), RODATA|NOPTR, $16

// PAIRS: y, z = the scales and minima of 8 rows from f16 pairs; Y13 = pairs.
#define PAIRS(mem, x, y, xz, z) \
	VMOVDQU      mem, y         \
	VPSHUFB      Y13, y, y      \
	VPERMQ       $0xd8, y, y    \
	VEXTRACTI128 $1, y, xz      \
	VCVTPH2PS    x, y           \
	VCVTPH2PS    xz, z

// CHAIN_MIN: fma(float(sum), s*d, acc), then fma(m, sx, acc).
#define CHAIN_MIN(j, a, b) \
	PAIRS((64*j)(CX), X1, Y1, X7, Y7)       \
	PAIRS((64*j+32)(CX), X6, Y6, X12, Y12)  \
	VBROADCASTSS (4*j)(DX), Y0              \
	VMULPS       Y0, Y1, Y1                 \
	VMULPS       Y0, Y6, Y6                 \
	VCVTDQ2PS    a, a                       \
	VCVTDQ2PS    b, b                       \
	VBROADCASTSS (4*j)(R14), Y0             \
	VFMADD231PS  Y1, a, Y14                 \
	VFMADD231PS  Y6, b, Y15                 \
	VFMADD231PS  Y0, Y7, Y14                \
	VFMADD231PS  Y0, Y12, Y15

// CHAINS: steps of four groups; of the last step only BX+4 groups count. A step touches 2 or 4 lines of the memory
// to come, at R15: what the rows' steps left out of 16 rows' next four blocks.
#define CHAINS(STEP, lines, pair) \
	SUBQ $4, BX         \
	JCS  last           \
four:                 \
	COLUMNS             \
	PREFETCHT0 (R15)    \
	STEP(0, Y2, Y8)     \
	PREFETCHT0 64(R15)  \
	STEP(1, Y3, Y9)     \
	PREFETCHT0 (lines*64-128)(R15) \
	STEP(2, Y4, Y10)    \
	PREFETCHT0 (lines*64-64)(R15) \
	ADDQ $(lines*64), R15 \
	STEP(3, Y5, Y11)    \
	ADDQ $16, SI        \
	ADDQ $16, R10       \
	ADDQ $16, R11       \
	ADDQ $16, R12       \
	ADDQ $(64*pair), CX \
	ADDQ $16, DX        \
	ADDQ $16, R13       \
	ADDQ $16, R14       \
	SUBQ $4, BX         \
	JCC  four           \
last:                 \
	ADDQ $4, BX         \
	JEQ  done           \
	COLUMNS             \
	STEP(0, Y2, Y8)     \
	DECQ BX             \
	JEQ  done           \
	STEP(1, Y3, Y9)     \
	DECQ BX             \
	JEQ  done           \
	STEP(2, Y4, Y10)    \
done:                 \
	VMOVUPS Y14, (AX)   \
	VMOVUPS Y15, 32(AX) \
	VZEROUPPER          \
	RET

// func chainsAVX2(args *gemvArgsAVX2)
TEXT ·chainsAVX2(SB), 0, $136-8
	BEGIN
	CHAINS(CHAIN, 2, 2)

// func chainsBiasAVX2(args *gemvArgsAVX2)
TEXT ·chainsBiasAVX2(SB), 0, $136-8
	BEGIN
	CHAINS(CHAIN_BIAS, 4, 2)

// func chainsMinAVX2(args *gemvArgsAVX2)
TEXT ·chainsMinAVX2(SB), 0, $136-8
	BEGIN
	VBROADCASTI128 pairs<>(SB), Y13
	CHAINS(CHAIN_MIN, 4, 4)

// CHAIN_FLOAT: CHAIN_BIAS with scales of f32.
#define CHAIN_FLOAT(j, a, b) \
	VPBROADCASTD (4*j)(R13), Y0         \
	VPMULLD      Y13, Y0, Y0            \
	VPSUBD       Y0, a, a               \
	VPSUBD       Y0, b, b               \
	VBROADCASTSS (4*j)(DX), Y0          \
	VMULPS       (64*j)(CX), Y0, Y1     \
	VMULPS       (64*j+32)(CX), Y0, Y6  \
	VCVTDQ2PS    a, a                   \
	VCVTDQ2PS    b, b                   \
	VFMADD231PS  Y1, a, Y14             \
	VFMADD231PS  Y6, b, Y15

// func chainsFloatAVX2(args *gemvArgsAVX2)
TEXT ·chainsFloatAVX2(SB), 0, $136-8
	BEGIN
	CHAINS(CHAIN_FLOAT, 2, 4)
