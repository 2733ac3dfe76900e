//go:build !purego

#include "textflag.h"
#include "lanes_avx512_amd64.h"

// func f16ToF32x512(dst *float32, src *uint16, n int)
TEXT ·f16ToF32x512(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VCVTPH2PS.Z (SI), K1, Z0
	VMOVUPS     Z0, K1, (DI)
	ADDQ        $32, SI
	NEXT1(DI)
	JGT         loop
	VZEROUPPER
	RET

// func f32ToF16x512(dst *uint16, src *float32, n int)
TEXT ·f32ToF16x512(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	VCVTPS2PH $0, Z0, K1, (DI) // 0: to nearest even
	ADDQ      $32, DI
	NEXT1(SI)
	JGT       loop
	VZEROUPPER
	RET

// func bf16ToF32x512(dst *float32, src *uint16, n int)
TEXT ·bf16ToF32x512(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VPMOVZXWD.Z (SI), K1, Z0
	VPSLLD      $16, Z0, Z0
	VMOVUPS     Z0, K1, (DI)
	ADDQ        $32, SI
	NEXT1(DI)
	JGT         loop
	VZEROUPPER
	RET
