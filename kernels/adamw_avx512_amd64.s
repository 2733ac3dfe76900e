//go:build !purego

#include "textflag.h"
#include "lanes_avx512_amd64.h"

// func adamW512(w, grad, m, v *float32, n int, s *AdamWStep)
TEXT ·adamW512(SB), 0, $136-48
	MOVQ         w+0(FP), DI
	MOVQ         grad+8(FP), SI
	MOVQ         m+16(FP), R8
	MOVQ         v+24(FP), R9
	MOVQ         n+32(FP), DX
	MOVQ         s+40(FP), R10
	VBROADCASTSS (R10), Z10      // GradScale
	VBROADCASTSS 4(R10), Z11     // Beta1
	VBROADCASTSS 8(R10), Z12     // Beta2
	VBROADCASTSS 12(R10), Z13    // LR
	VBROADCASTSS 16(R10), Z14    // InvSqrtBias2
	VBROADCASTSS 20(R10), Z15    // Eps
	VBROADCASTSS 24(R10), Z16    // Decay
	MOVL         $0x3f800000, AX
	VPBROADCASTD AX, Z0
	VSUBPS       Z11, Z0, Z11    // 1-Beta1
	VSUBPS       Z12, Z0, Z17    // 1-Beta2
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z    (SI), K1, Z0
	VMOVUPS.Z    (R8), K1, Z1
	VMOVUPS.Z    (R9), K1, Z2
	VMOVUPS.Z    (DI), K1, Z3
	VMULPS       Z10, Z0, Z0
	VSUBPS       Z1, Z0, Z4
	VFMADD231PS  Z4, Z11, Z1  // m
	VMULPS       Z0, Z0, Z0
	VMULPS       Z12, Z2, Z2
	VFMADD231PS  Z0, Z17, Z2  // v
	VSQRTPS      Z2, Z4
	VFMADD213PS  Z15, Z14, Z4
	VDIVPS       Z4, Z1, Z4
	VMULPS       Z16, Z3, Z3
	VFNMADD231PS Z4, Z13, Z3  // w
	VMOVUPS      Z1, K1, (R8)
	VMOVUPS      Z2, K1, (R9)
	VMOVUPS      Z3, K1, (DI)
	ADDQ         $64, R9
	NEXT3(DI, SI, R8)
	JGT          loop
	VZEROUPPER
	RET
