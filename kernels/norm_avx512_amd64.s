//go:build !purego

#include "textflag.h"
#include "lanes_avx512_amd64.h"

// func rmsApply512(dst, x, w *float32, n int, s float32)
TEXT ·rmsApply512(SB), 0, $136-36
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         w+16(FP), BX
	MOVQ         n+24(FP), DX
	VBROADCASTSS s+32(FP), Z2
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z (BX), K1, Z1
	VMULPS    Z2, Z0, Z0
	VMULPS    Z1, Z0, Z0
	VMOVUPS   Z0, K1, (DI)
	NEXT3(DI, SI, BX)
	JGT       loop
	VZEROUPPER
	RET

// func rmsBackLanes512(dy, w, x *float32, n int, lanes *[16]float32)
TEXT ·rmsBackLanes512(SB), 0, $136-40
	MOVQ    dy+0(FP), DI
	MOVQ    w+8(FP), BX
	MOVQ    x+16(FP), SI
	MOVQ    n+24(FP), DX
	MOVQ    lanes+32(FP), R8
	VMOVUPS (R8), Z3
	LANESINIT

	// invariant: Z3 = the lane chains of the elements before SI, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z   (DI), K1, Z0
	VMOVUPS.Z   (BX), K1, Z1
	VMOVUPS.Z   (SI), K1, Z2
	VMULPS      Z1, Z0, Z0
	VFMADD231PS Z2, Z0, K1, Z3
	NEXT3(DI, SI, BX)
	JGT         loop
	VMOVUPS     Z3, (R8)
	VZEROUPPER
	RET

// func rmsBackApply512(dx, dw, dy, x, w *float32, n int, s, c float32)
TEXT ·rmsBackApply512(SB), 0, $136-56
	MOVQ         dx+0(FP), DI
	MOVQ         dw+8(FP), R8
	MOVQ         dy+16(FP), R9
	MOVQ         x+24(FP), SI
	MOVQ         w+32(FP), BX
	MOVQ         n+40(FP), DX
	VBROADCASTSS s+48(FP), Z10
	VBROADCASTSS c+52(FP), Z11
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z    (R9), K1, Z0
	VMOVUPS.Z    (SI), K1, Z1
	VMOVUPS.Z    (BX), K1, Z2
	VMOVUPS.Z    (R8), K1, Z4
	VMOVUPS.Z    (DI), K1, Z5
	VMULPS       Z2, Z0, Z2   // g = dy*w
	VMULPS       Z10, Z2, Z2
	VMULPS       Z10, Z1, Z3
	VMULPS       Z3, Z0, Z3
	VADDPS       Z3, Z4, Z4
	VFNMADD231PS Z1, Z11, Z2
	VADDPS       Z2, Z5, Z5
	VMOVUPS      Z4, K1, (R8)
	VMOVUPS      Z5, K1, (DI)
	ADDQ         $64, R8
	ADDQ         $64, R9
	NEXT3(DI, SI, BX)
	JGT          loop
	VZEROUPPER
	RET

// func ropeHalves512(a, b, cos, sin *float32, n int)
TEXT ·ropeHalves512(SB), 0, $136-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), R8
	MOVQ cos+16(FP), SI
	MOVQ sin+24(FP), BX
	MOVQ n+32(FP), DX
	LANESINIT

	// invariant: the pairs before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z   (DI), K1, Z0
	VMOVUPS.Z   (R8), K1, Z1
	VMOVUPS.Z   (SI), K1, Z2
	VMOVUPS.Z   (BX), K1, Z3
	VMULPS      Z3, Z1, Z4   // b*sin
	VMULPS      Z2, Z1, Z5   // b*cos
	VFMADD231PS Z3, Z0, Z5
	VFMSUB213PS Z4, Z2, Z0
	VMOVUPS     Z0, K1, (DI)
	VMOVUPS     Z5, K1, (R8)
	ADDQ        $64, R8
	NEXT3(DI, SI, BX)
	JGT         loop
	VZEROUPPER
	RET

// func ropePairs512(x, cos, sin *float32, n int)
TEXT ·ropePairs512(SB), 0, $136-32
	MOVQ x+0(FP), DI
	MOVQ cos+8(FP), SI
	MOVQ sin+16(FP), BX
	MOVQ n+24(FP), DX

	// invariant: the pairs before DI are done, DX > 0 are left; K2 = the pairs of this step, K1 = their elements
loop:
	MOVQ           $8, CX
	CMPQ           DX, CX
	CMOVQLT        DX, CX
	MOVL           $1, R15
	SHLL           CX, R15
	DECL           R15
	KMOVW          R15, K2
	ADDQ           CX, CX
	MOVL           $1, R15
	SHLL           CX, R15
	DECL           R15
	KMOVW          R15, K1
	VMOVUPS.Z      (DI), K1, Z0
	VPMOVZXDQ.Z    (SI), K2, Z2
	VPMOVZXDQ.Z    (BX), K2, Z3
	VPSLLQ         $32, Z3, Z3
	VPORD          Z3, Z2, Z2    // cos sin cos sin ...
	VPERMILPS      $0xb1, Z2, Z3 // sin cos sin cos ...
	VMOVSLDUP      Z0, Z1        // a a ...
	VMOVSHDUP      Z0, Z0        // b b ...
	VMULPS         Z3, Z0, Z0
	VFMADDSUB213PS Z0, Z2, Z1    // even lanes a*cos - b*sin, odd lanes a*sin + b*cos
	VMOVUPS        Z1, K1, (DI)
	ADDQ           $64, DI
	ADDQ           $32, SI
	ADDQ           $32, BX
	SUBQ           $8, DX
	JGT            loop
	VZEROUPPER
	RET
