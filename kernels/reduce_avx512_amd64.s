//go:build !purego

#include "textflag.h"
#include "lanes_avx512_amd64.h"
#include "exp_avx512_amd64.h"

// func sumLanes512(x *float32, n int, lanes *[16]float32)
TEXT ·sumLanes512(SB), 0, $136-24
	MOVQ    x+0(FP), SI
	MOVQ    n+8(FP), DX
	MOVQ    lanes+16(FP), R8
	VMOVUPS (R8), Z2
	LANESINIT

	// invariant: Z2 = the lane sums of the elements before SI, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	VADDPS    Z0, Z2, K1, Z2
	NEXT1(SI)
	JGT       loop
	VMOVUPS   Z2, (R8)
	VZEROUPPER
	RET

// func dotLanes512(x, y *float32, n int, lanes *[16]float32)
TEXT ·dotLanes512(SB), 0, $136-32
	MOVQ    x+0(FP), SI
	MOVQ    y+8(FP), DI
	MOVQ    n+16(FP), DX
	MOVQ    lanes+24(FP), R8
	VMOVUPS (R8), Z2
	LANESINIT

	// invariant: Z2 = the lane chains of the elements before SI, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z   (SI), K1, Z0
	VMOVUPS.Z   (DI), K1, Z1
	VFMADD231PS Z1, Z0, K1, Z2
	NEXT2(SI, DI)
	JGT         loop
	VMOVUPS     Z2, (R8)
	VZEROUPPER
	RET

// func max512(x *float32, n int) (max float32)
TEXT ·max512(SB), 0, $136-20
	MOVQ         x+0(FP), SI
	MOVQ         n+8(FP), DX
	MOVL         $0xff800000, AX
	VPBROADCASTD AX, Z2
	VMOVAPS      Z2, Z3
	VMOVAPS      Z2, Z4
	VMOVAPS      Z2, Z5
	LANESINIT
	SUBQ         $64, DX
	JLT          few

	// invariant: Z2..Z5 = the largest by lanes of the elements before SI; NaN never enters, as the second source wins
many:
	VMOVUPS (SI), Z0
	VMAXPS  Z2, Z0, Z2
	VMOVUPS 64(SI), Z0
	VMAXPS  Z3, Z0, Z3
	VMOVUPS 128(SI), Z0
	VMAXPS  Z4, Z0, Z4
	VMOVUPS 192(SI), Z0
	VMAXPS  Z5, Z0, Z5
	ADDQ    $256, SI
	SUBQ    $64, DX
	JGE     many

few:
	ADDQ $64, DX
	JEQ  done

	// invariant: the same, DX in 1..63 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	VMAXPS    Z2, Z0, K1, Z2
	NEXT1(SI)
	JGT       loop

done:
	VMAXPS Z3, Z2, Z2
	VMAXPS Z4, Z2, Z2
	VMAXPS Z5, Z2, Z2
	MAX16(Z2, Y2, X2, Y0, X0)
	VMOVSS X2, max+16(FP)
	VZEROUPPER
	RET

// func finite512(x *float32, n int) (ok bool)
TEXT ·finite512(SB), 0, $136-17
	MOVQ         x+0(FP), SI
	MOVQ         n+8(FP), DX
	MOVL         $0x7f800000, AX
	VPBROADCASTD AX, Z2
	KXORW        K3, K3, K3
	LANESINIT

	// invariant: K3 = lanes where an element before SI has all exponent bits set, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z (SI), K1, Z0
	VPANDD    Z2, Z0, Z0
	VPCMPEQD  Z2, Z0, K2
	KORW      K2, K3, K3
	NEXT1(SI)
	JGT       loop
	KORTESTW  K3, K3
	SETEQ     ok+16(FP)
	VZEROUPPER
	RET
