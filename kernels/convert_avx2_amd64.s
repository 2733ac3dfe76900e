//go:build !purego

#include "textflag.h"

// func f16ToF32x256(dst *float32, src *uint16, n int)
TEXT ·f16ToF32x256(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VCVTPH2PS (SI), Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $32, DI
	ADDQ      $16, SI
	SUBQ      $8, DX
	JGT       loop
	VZEROUPPER
	RET

// func f32ToF16x256(dst *uint16, src *float32, n int)
TEXT ·f32ToF16x256(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS   (SI), Y0
	VCVTPS2PH $0, Y0, (DI) // 0: to nearest even
	ADDQ      $16, DI
	ADDQ      $32, SI
	SUBQ      $8, DX
	JGT       loop
	VZEROUPPER
	RET

// func bf16ToF32x256(dst *float32, src *uint16, n int)
TEXT ·bf16ToF32x256(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VPMOVZXWD (SI), Y0
	VPSLLD    $16, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $32, DI
	ADDQ      $16, SI
	SUBQ      $8, DX
	JGT       loop
	VZEROUPPER
	RET
