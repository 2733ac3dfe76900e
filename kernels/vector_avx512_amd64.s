//go:build !purego

#include "textflag.h"
#include "lanes_avx512_amd64.h"

// func add512(dst, x *float32, n int)
TEXT ·add512(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), DX
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (DI), K1, Z0
	VMOVUPS.Z (SI), K1, Z1
	VADDPS    Z1, Z0, Z0
	VMOVUPS   Z0, K1, (DI)
	NEXT2(DI, SI)
	JGT       loop
	VZEROUPPER
	RET

// func mul512(dst, x *float32, n int)
TEXT ·mul512(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), DX
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (DI), K1, Z0
	VMOVUPS.Z (SI), K1, Z1
	VMULPS    Z1, Z0, Z0
	VMOVUPS   Z0, K1, (DI)
	NEXT2(DI, SI)
	JGT       loop
	VZEROUPPER
	RET

// func axpy512(dst, x *float32, n int, a float32)
TEXT ·axpy512(SB), 0, $136-28
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), DX
	VBROADCASTSS a+24(FP), Z2
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z   (DI), K1, Z0
	VMOVUPS.Z   (SI), K1, Z1
	VFMADD231PS Z1, Z2, Z0
	VMOVUPS     Z0, K1, (DI)
	NEXT2(DI, SI)
	JGT         loop
	VZEROUPPER
	RET

// func scale512(dst *float32, n int, a float32)
TEXT ·scale512(SB), 0, $136-20
	MOVQ         dst+0(FP), DI
	MOVQ         n+8(FP), DX
	VBROADCASTSS a+16(FP), Z2
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (DI), K1, Z0
	VMULPS    Z2, Z0, Z0
	VMOVUPS   Z0, K1, (DI)
	NEXT1(DI)
	JGT       loop
	VZEROUPPER
	RET

// func div512(dst *float32, n int, a float32)
TEXT ·div512(SB), 0, $136-20
	MOVQ         dst+0(FP), DI
	MOVQ         n+8(FP), DX
	VBROADCASTSS a+16(FP), Z2
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (DI), K1, Z0
	VDIVPS    Z2, Z0, Z0
	VMOVUPS   Z0, K1, (DI)
	NEXT1(DI)
	JGT       loop
	VZEROUPPER
	RET
