//go:build !purego

#include "textflag.h"

// func rmsApply256(dst, x, w *float32, n int, s float32)
TEXT ·rmsApply256(SB), 0, $136-36
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         w+16(FP), BX
	MOVQ         n+24(FP), DX
	VBROADCASTSS s+32(FP), Y2

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMULPS  (SI), Y2, Y0
	VMULPS  (BX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	ADDQ    $32, BX
	SUBQ    $8, DX
	JGT     loop
	VZEROUPPER
	RET

// func rmsBackLanes256(dy, w, x *float32, n int, lanes *[16]float32)
TEXT ·rmsBackLanes256(SB), 0, $136-40
	MOVQ    dy+0(FP), DI
	MOVQ    w+8(FP), BX
	MOVQ    x+16(FP), SI
	MOVQ    n+24(FP), DX
	MOVQ    lanes+32(FP), R8
	VMOVUPS (R8), Y3
	VMOVUPS 32(R8), Y4

	// invariant: Y3, Y4 = the lane chains of the elements before SI, DX > 0 are left
loop:
	VMOVUPS     (DI), Y0
	VMOVUPS     32(DI), Y1
	VMULPS      (BX), Y0, Y0
	VMULPS      32(BX), Y1, Y1
	VFMADD231PS (SI), Y0, Y3
	VFMADD231PS 32(SI), Y1, Y4
	ADDQ        $64, DI
	ADDQ        $64, SI
	ADDQ        $64, BX
	SUBQ        $16, DX
	JGT         loop
	VMOVUPS     Y3, (R8)
	VMOVUPS     Y4, 32(R8)
	VZEROUPPER
	RET

// func rmsBackApply256(dx, dw, dy, x, w *float32, n int, s, c float32)
TEXT ·rmsBackApply256(SB), 0, $136-56
	MOVQ         dx+0(FP), DI
	MOVQ         dw+8(FP), R8
	MOVQ         dy+16(FP), R9
	MOVQ         x+24(FP), SI
	MOVQ         w+32(FP), BX
	MOVQ         n+40(FP), DX
	VBROADCASTSS s+48(FP), Y10
	VBROADCASTSS c+52(FP), Y11

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS      (R9), Y0
	VMOVUPS      (SI), Y1
	VMULPS       (BX), Y0, Y2 // g = dy*w
	VMULPS       Y10, Y2, Y2
	VMULPS       Y10, Y1, Y3
	VMULPS       Y3, Y0, Y3
	VADDPS       (R8), Y3, Y3
	VFNMADD231PS Y1, Y11, Y2
	VADDPS       (DI), Y2, Y2
	VMOVUPS      Y3, (R8)
	VMOVUPS      Y2, (DI)
	ADDQ         $32, R8
	ADDQ         $32, R9
	ADDQ         $32, DI
	ADDQ         $32, SI
	ADDQ         $32, BX
	SUBQ         $8, DX
	JGT          loop
	VZEROUPPER
	RET

// func ropeHalves256(a, b, cos, sin *float32, n int)
TEXT ·ropeHalves256(SB), 0, $136-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), R8
	MOVQ cos+16(FP), SI
	MOVQ sin+24(FP), BX
	MOVQ n+32(FP), DX

	// invariant: the pairs before DI are done, DX > 0 are left
loop:
	VMOVUPS     (DI), Y0
	VMOVUPS     (R8), Y1
	VMOVUPS     (SI), Y2
	VMOVUPS     (BX), Y3
	VMULPS      Y3, Y1, Y4 // b*sin
	VMULPS      Y2, Y1, Y5 // b*cos
	VFMADD231PS Y3, Y0, Y5
	VFMSUB213PS Y4, Y2, Y0
	VMOVUPS     Y0, (DI)
	VMOVUPS     Y5, (R8)
	ADDQ        $32, DI
	ADDQ        $32, R8
	ADDQ        $32, SI
	ADDQ        $32, BX
	SUBQ        $8, DX
	JGT         loop
	VZEROUPPER
	RET

// func ropePairs256(x, cos, sin *float32, n int)
TEXT ·ropePairs256(SB), 0, $136-32
	MOVQ x+0(FP), DI
	MOVQ cos+8(FP), SI
	MOVQ sin+16(FP), BX
	MOVQ n+24(FP), DX

	// invariant: the pairs before DI are done, DX > 0 are left
loop:
	VMOVUPS        (DI), Y0
	VPMOVZXDQ      (SI), Y2
	VPMOVZXDQ      (BX), Y3
	VPSLLQ         $32, Y3, Y3
	VPOR           Y3, Y2, Y2    // cos sin cos sin ...
	VPERMILPS      $0xb1, Y2, Y3 // sin cos sin cos ...
	VMOVSLDUP      Y0, Y1        // a a ...
	VMOVSHDUP      Y0, Y0        // b b ...
	VMULPS         Y3, Y0, Y0
	VFMADDSUB213PS Y0, Y2, Y1    // even lanes a*cos - b*sin, odd lanes a*sin + b*cos
	VMOVUPS        Y1, (DI)
	ADDQ           $32, DI
	ADDQ           $16, SI
	ADDQ           $16, BX
	SUBQ           $4, DX
	JGT            loop
	VZEROUPPER
	RET
