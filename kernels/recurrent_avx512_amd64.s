//go:build !purego

#include "textflag.h"
#include "lanes_avx512_amd64.h"

// func mulAdd512(dst, x, y *float32, n int)
TEXT ·mulAdd512(SB), 0, $136-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), R8
	MOVQ n+24(FP), DX
	LANESINIT

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	LANES
	VMOVUPS.Z   (DI), K1, Z0
	VMOVUPS.Z   (SI), K1, Z1
	VMOVUPS.Z   (R8), K1, Z2
	VFMADD231PS Z1, Z2, Z0
	VMOVUPS     Z0, K1, (DI)
	NEXT3(DI, SI, R8)
	JGT         loop
	VZEROUPPER
	RET

// SCAN: the channels at offset at: x, y's sum and a scratch register.
#define SCAN(at, x, y, t) \
	VMOVUPS     at(SI), t; \
	VMULPS      at(R8), t, t; \
	VFMADD231PS x, Z8, t; \
	VMOVUPS     t, at(SI); \
	VFMADD231PS t, Z9, y

// func scan64x512(y, s, decay, x, b, c *float32, n, lds, ldd int)
TEXT ·scan64x512(SB), 0, $136-72
	MOVQ    y+0(FP), DI
	MOVQ    s+8(FP), SI
	MOVQ    decay+16(FP), R8
	MOVQ    x+24(FP), R9
	MOVQ    b+32(FP), R10
	MOVQ    c+40(FP), R11
	MOVQ    n+48(FP), DX
	MOVQ    lds+56(FP), R12
	MOVQ    ldd+64(FP), R13
	SHLQ    $2, R12
	SHLQ    $2, R13
	VMOVUPS (R9), Z4
	VMOVUPS 64(R9), Z5
	VMOVUPS 128(R9), Z6
	VMOVUPS 192(R9), Z7
	VPXORD  Z0, Z0, Z0
	VPXORD  Z1, Z1, Z1
	VPXORD  Z2, Z2, Z2
	VPXORD  Z3, Z3, Z3

	// invariant: the values before SI are done, DX > 0 are left; Z0-Z3 hold the sums over those done
loop:
	VBROADCASTSS (R10), Z8
	VBROADCASTSS (R11), Z9
	SCAN(0, Z4, Z0, Z10)
	SCAN(64, Z5, Z1, Z11)
	SCAN(128, Z6, Z2, Z12)
	SCAN(192, Z7, Z3, Z13)
	ADDQ         R12, SI
	ADDQ         R13, R8
	ADDQ         $4, R10
	ADDQ         $4, R11
	DECQ         DX
	JGT          loop
	VMOVUPS      Z0, (DI)
	VMOVUPS      Z1, 64(DI)
	VMOVUPS      Z2, 128(DI)
	VMOVUPS      Z3, 192(DI)
	VZEROUPPER
	RET

// func scan16x512(y, s, decay, x, b, c *float32, n, lds, ldd int)
TEXT ·scan16x512(SB), 0, $136-72
	MOVQ    y+0(FP), DI
	MOVQ    s+8(FP), SI
	MOVQ    decay+16(FP), R8
	MOVQ    x+24(FP), R9
	MOVQ    b+32(FP), R10
	MOVQ    c+40(FP), R11
	MOVQ    n+48(FP), DX
	MOVQ    lds+56(FP), R12
	MOVQ    ldd+64(FP), R13
	SHLQ    $2, R12
	SHLQ    $2, R13
	VMOVUPS (R9), Z4
	VPXORD  Z0, Z0, Z0

	// invariant: as above, of Z0 alone
loop:
	VBROADCASTSS (R10), Z8
	VBROADCASTSS (R11), Z9
	SCAN(0, Z4, Z0, Z10)
	ADDQ         R12, SI
	ADDQ         R13, R8
	ADDQ         $4, R10
	ADDQ         $4, R11
	DECQ         DX
	JGT          loop
	VMOVUPS      Z0, (DI)
	VZEROUPPER
	RET
