//go:build !purego

#include "textflag.h"

#include "transpose_avx512_amd64.h"

// STORE4 stores four columns and moves DI on by one.
#define STORE4(a, b, c, d) \
	LANES4(a, b, c, d)              \
	VPXORD     Z31, Z20, Z20        \
	VPXORD     Z31, Z21, Z21        \
	VPXORD     Z31, Z22, Z22        \
	VPXORD     Z31, Z23, Z23        \
	VMOVDQU32  Z20, (DI)            \
	VMOVDQU32  Z21, (DI)(R9*4)      \
	VMOVDQU32  Z22, (DI)(R9*8)      \
	VMOVDQU32  Z23, (DI)(R11*4)     \
	ADDQ       R9, DI

#define LOAD4(a, b, c, d) \
	VMOVDQU32.Z (SI), K1, a         \
	VMOVDQU32.Z (SI)(R8*1), K1, b   \
	VMOVDQU32.Z (SI)(R8*2), K1, c   \
	VMOVDQU32.Z (SI)(R10*1), K1, d  \
	LEAQ        (SI)(R8*4), SI

// func transpose16AVX512(dst unsafe.Pointer, dstStride int, src unsafe.Pointer, srcStride, n int, xor uint32)
//
//	for i := 0; i < (n+15)/16*16; i++ { for r := range 16 { dst[i*dstStride/4 + r] = (i < n ? src[r*srcStride/4 + i] : 0) ^ xor } }
//
// in dwords; strides in bytes.
TEXT ·transpose16AVX512(SB), 0, $136-44
	MOVQ         dst+0(FP), DI
	MOVQ         dstStride+8(FP), R9
	MOVQ         src+16(FP), BX
	MOVQ         srcStride+24(FP), R8
	MOVQ         n+32(FP), CX
	MOVL         xor+40(FP), AX
	VPBROADCASTD AX, Z31
	LEAQ         (R8)(R8*2), R10
	LEAQ         (R9)(R9*2), R11
	LEAQ         (R11*4), R12

	// Invariant: CX dwords a row are left, the next ones at BX (row 0) go to DI.
loop:
	MOVQ  $-1, DX
	CMPQ  CX, $16
	JGE   full
	MOVQ  $1, DX
	SHLQ  CX, DX
	DECQ  DX
full:
	KMOVW DX, K1
	MOVQ  BX, SI
	LOAD4(Z0, Z1, Z2, Z3)
	LOAD4(Z4, Z5, Z6, Z7)
	LOAD4(Z8, Z9, Z10, Z11)
	LOAD4(Z12, Z13, Z14, Z15)
	TRANSPOSE16
	STORE4(Z0, Z4, Z8, Z12)
	STORE4(Z1, Z5, Z9, Z13)
	STORE4(Z2, Z6, Z10, Z14)
	STORE4(Z3, Z7, Z11, Z15)
	ADDQ  $64, BX
	ADDQ  R12, DI
	SUBQ  $16, CX
	JG    loop
	VZEROUPPER
	RET
