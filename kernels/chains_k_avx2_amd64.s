//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "transpose_avx2_amd64.h"

// The second half of a Gemv of a K format: sums, scales*d and minima are all [16, groups].
//
//	BX steps of four groups left   R14 sx   AX out   R8, R9, R12, R13 one, three, five, seven rows
//	SI, CX, R10 sums, scales, minima of row 0, DI, DX, R11 of row 8
//	Y14, Y15 the chains of rows 8-15 and 0-7, over all groups before
#define BEGIN \
	MOVQ   args+0(FP), AX              \
	MOVQ   gemvArgsAVX2_groups(AX), BX \
	SHRQ   $2, BX                      \
	MOVQ   gemvArgsAVX2_stride(AX), R8 \
	MOVQ   gemvArgsAVX2_sums(AX), SI   \
	MOVQ   gemvArgsAVX2_scales(AX), CX \
	MOVQ   gemvArgsAVX2_minima(AX), R10 \
	MOVQ   gemvArgsAVX2_sx(AX), R14    \
	MOVQ   gemvArgsAVX2_out(AX), AX    \
	LEAQ   (SI)(R8*8), DI              \
	LEAQ   (CX)(R8*8), DX              \
	LEAQ   (R10)(R8*8), R11            \
	LEAQ   (R8)(R8*2), R9              \
	LEAQ   (R8)(R8*4), R12             \
	LEAQ   (R9)(R8*4), R13             \
	VXORPS Y14, Y14, Y14               \
	VXORPS Y15, Y15, Y15

// EIGHT: the next four columns of 8 rows in c, d, t, u.
#define EIGHT(p, xa, a, xb, b, xc, c, xd, d, t, u) \
	VMOVDQU     (p), xa                     \
	VMOVDQU     (p)(R8*1), xb               \
	VMOVDQU     (p)(R8*2), xc               \
	VMOVDQU     (p)(R9*1), xd               \
	VINSERTI128 $1, (p)(R8*4), a, a         \
	VINSERTI128 $1, (p)(R12*1), b, b        \
	VINSERTI128 $1, (p)(R9*2), c, c         \
	VINSERTI128 $1, (p)(R13*1), d, d        \
	TRANSPOSE4(a, b, c, d, t, u)

#define SUMS_SCALES(sums, scales) \
	EIGHT(sums, X0, Y0, X1, Y1, X2, Y2, X3, Y3, Y4, Y5)      \
	EIGHT(scales, X6, Y6, X7, Y7, X8, Y8, X9, Y9, Y10, Y11)  \
	VCVTDQ2PS Y2, Y2 \
	VCVTDQ2PS Y3, Y3 \
	VCVTDQ2PS Y4, Y4 \
	VCVTDQ2PS Y5, Y5

// HALF: eight chains; group j: fma(float(sum), s*d, acc).
#define HALF(sums, scales, acc) \
	SUMS_SCALES(sums, scales)   \
	VFMADD231PS Y8, Y2, acc     \
	VFMADD231PS Y9, Y3, acc     \
	VFMADD231PS Y10, Y4, acc    \
	VFMADD231PS Y11, Y5, acc

// HALF_MIN: and then fma(m, sx, acc).
#define HALF_MIN(sums, scales, minima, acc) \
	SUMS_SCALES(sums, scales)                                 \
	EIGHT(minima, X0, Y0, X1, Y1, X6, Y6, X7, Y7, Y12, Y13)   \
	VFMADD231PS  Y8, Y2, acc     \
	VBROADCASTSS (R14), Y0       \
	VFMADD231PS  Y6, Y0, acc     \
	VFMADD231PS  Y9, Y3, acc     \
	VBROADCASTSS 4(R14), Y0      \
	VFMADD231PS  Y7, Y0, acc     \
	VFMADD231PS  Y10, Y4, acc    \
	VBROADCASTSS 8(R14), Y0      \
	VFMADD231PS  Y12, Y0, acc    \
	VFMADD231PS  Y11, Y5, acc    \
	VBROADCASTSS 12(R14), Y0     \
	VFMADD231PS  Y13, Y0, acc

#define NEXT \
	ADDQ $16, SI  \
	ADDQ $16, DI  \
	ADDQ $16, CX  \
	ADDQ $16, DX  \
	ADDQ $16, R10 \
	ADDQ $16, R11 \
	ADDQ $16, R14 \
	DECQ BX

#define DONE \
	VMOVUPS Y15, (AX)   \
	VMOVUPS Y14, 32(AX) \
	VZEROUPPER          \
	RET

// func chainsKAVX2(args *gemvArgsAVX2)
TEXT ·chainsKAVX2(SB), 0, $136-8
	BEGIN
four:
	HALF(SI, CX, Y15)
	HALF(DI, DX, Y14)
	NEXT
	JNE four
	DONE

// func chainsKMinAVX2(args *gemvArgsAVX2)
TEXT ·chainsKMinAVX2(SB), 0, $136-8
	BEGIN
four:
	HALF_MIN(SI, CX, R10, Y15)
	HALF_MIN(DI, DX, R11, Y14)
	NEXT
	JNE four
	DONE
