//go:build !purego

#include "textflag.h"

// func adamW256(w, grad, m, v *float32, n int, s *AdamWStep)
TEXT ·adamW256(SB), 0, $136-48
	MOVQ         w+0(FP), DI
	MOVQ         grad+8(FP), SI
	MOVQ         m+16(FP), R8
	MOVQ         v+24(FP), R9
	MOVQ         n+32(FP), DX
	MOVQ         s+40(FP), R10
	VBROADCASTSS (R10), Y10      // GradScale
	VBROADCASTSS 4(R10), Y11     // Beta1
	VBROADCASTSS 8(R10), Y12     // Beta2
	VBROADCASTSS 12(R10), Y13    // LR
	VBROADCASTSS 16(R10), Y14    // InvSqrtBias2
	VBROADCASTSS 20(R10), Y15    // Eps
	VBROADCASTSS 24(R10), Y9     // Decay
	MOVL         $0x3f800000, AX
	VMOVD        AX, X0
	VPBROADCASTD X0, Y0
	VSUBPS       Y11, Y0, Y11    // 1-Beta1
	VSUBPS       Y12, Y0, Y8     // 1-Beta2

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMULPS       (SI), Y10, Y0
	VMOVUPS      (R8), Y1
	VMOVUPS      (R9), Y2
	VSUBPS       Y1, Y0, Y4
	VFMADD231PS  Y4, Y11, Y1   // m
	VMULPS       Y0, Y0, Y0
	VMULPS       Y12, Y2, Y2
	VFMADD231PS  Y0, Y8, Y2    // v
	VSQRTPS      Y2, Y4
	VFMADD213PS  Y15, Y14, Y4
	VDIVPS       Y4, Y1, Y4
	VMULPS       (DI), Y9, Y3
	VFNMADD231PS Y4, Y13, Y3   // w
	VMOVUPS      Y1, (R8)
	VMOVUPS      Y2, (R9)
	VMOVUPS      Y3, (DI)
	ADDQ         $32, DI
	ADDQ         $32, SI
	ADDQ         $32, R8
	ADDQ         $32, R9
	SUBQ         $8, DX
	JGT          loop
	VZEROUPPER
	RET
