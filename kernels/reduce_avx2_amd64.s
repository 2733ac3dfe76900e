//go:build !purego

#include "textflag.h"
#include "exp_avx2_amd64.h"

// func sumLanes256(x *float32, n int, lanes *[16]float32)
TEXT ·sumLanes256(SB), 0, $136-24
	MOVQ    x+0(FP), SI
	MOVQ    n+8(FP), DX
	MOVQ    lanes+16(FP), R8
	VMOVUPS (R8), Y2
	VMOVUPS 32(R8), Y3

	// invariant: Y2, Y3 = the lane sums of the elements before SI, DX > 0 are left
loop:
	VADDPS  (SI), Y2, Y2
	VADDPS  32(SI), Y3, Y3
	ADDQ    $64, SI
	SUBQ    $16, DX
	JGT     loop
	VMOVUPS Y2, (R8)
	VMOVUPS Y3, 32(R8)
	VZEROUPPER
	RET

// func dotLanes256(x, y *float32, n int, lanes *[16]float32)
TEXT ·dotLanes256(SB), 0, $136-32
	MOVQ    x+0(FP), SI
	MOVQ    y+8(FP), DI
	MOVQ    n+16(FP), DX
	MOVQ    lanes+24(FP), R8
	VMOVUPS (R8), Y2
	VMOVUPS 32(R8), Y3

	// invariant: Y2, Y3 = the lane chains of the elements before SI, DX > 0 are left
loop:
	VMOVUPS     (SI), Y0
	VMOVUPS     32(SI), Y1
	VFMADD231PS (DI), Y0, Y2
	VFMADD231PS 32(DI), Y1, Y3
	ADDQ        $64, SI
	ADDQ        $64, DI
	SUBQ        $16, DX
	JGT         loop
	VMOVUPS     Y2, (R8)
	VMOVUPS     Y3, 32(R8)
	VZEROUPPER
	RET

// func max256(x *float32, n int) (max float32)
TEXT ·max256(SB), 0, $136-20
	MOVQ         x+0(FP), SI
	MOVQ         n+8(FP), DX
	MOVL         $0xff800000, AX
	VMOVD        AX, X2
	VPBROADCASTD X2, Y2
	VMOVAPS      Y2, Y3

	// invariant: Y2, Y3 = the largest by lanes of the elements before SI; NaN never enters, as the second source wins
loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMAXPS  Y2, Y0, Y2
	VMAXPS  Y3, Y1, Y3
	ADDQ    $64, SI
	SUBQ    $16, DX
	JGT     loop
	VMAXPS  Y3, Y2, Y2
	MAX8(Y2, X2, X0)
	VMOVSS  X2, max+16(FP)
	VZEROUPPER
	RET

// func finite256(x *float32, n int) (ok bool)
TEXT ·finite256(SB), 0, $136-17
	MOVQ         x+0(FP), SI
	MOVQ         n+8(FP), DX
	MOVL         $0x7f800000, AX
	VMOVD        AX, X2
	VPBROADCASTD X2, Y2
	VPXOR        Y3, Y3, Y3

	// invariant: Y3 = lanes where an element before SI has all exponent bits set, DX > 0 are left
loop:
	VPAND    (SI), Y2, Y0
	VPCMPEQD Y2, Y0, Y0
	VPOR     Y0, Y3, Y3
	ADDQ     $32, SI
	SUBQ     $8, DX
	JGT      loop
	VPTEST   Y3, Y3
	SETEQ    ok+16(FP)
	VZEROUPPER
	RET
