//go:build !purego

#include "textflag.h"

// func add256(dst, x *float32, n int)
TEXT ·add256(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), DX

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS (DI), Y0
	VADDPS  (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	SUBQ    $8, DX
	JGT     loop
	VZEROUPPER
	RET

// func mul256(dst, x *float32, n int)
TEXT ·mul256(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), DX

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS (DI), Y0
	VMULPS  (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	SUBQ    $8, DX
	JGT     loop
	VZEROUPPER
	RET

// func axpy256(dst, x *float32, n int, a float32)
TEXT ·axpy256(SB), 0, $136-28
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), DX
	VBROADCASTSS a+24(FP), Y2

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS     (DI), Y0
	VFMADD231PS (SI), Y2, Y0
	VMOVUPS     Y0, (DI)
	ADDQ        $32, DI
	ADDQ        $32, SI
	SUBQ        $8, DX
	JGT         loop
	VZEROUPPER
	RET

// func scale256(dst *float32, n int, a float32)
TEXT ·scale256(SB), 0, $136-20
	MOVQ         dst+0(FP), DI
	MOVQ         n+8(FP), DX
	VBROADCASTSS a+16(FP), Y2

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMULPS  (DI), Y2, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	SUBQ    $8, DX
	JGT     loop
	VZEROUPPER
	RET

// func div256(dst *float32, n int, a float32)
TEXT ·div256(SB), 0, $136-20
	MOVQ         dst+0(FP), DI
	MOVQ         n+8(FP), DX
	VBROADCASTSS a+16(FP), Y2

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS (DI), Y0
	VDIVPS  Y2, Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	SUBQ    $8, DX
	JGT     loop
	VZEROUPPER
	RET
