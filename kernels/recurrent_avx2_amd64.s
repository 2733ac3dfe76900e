//go:build !purego

#include "textflag.h"

// func mulAdd256(dst, x, y *float32, n int)
TEXT ·mulAdd256(SB), 0, $136-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), R8
	MOVQ n+24(FP), DX

	// invariant: the elements before DI are done, DX > 0 are left
loop:
	VMOVUPS     (DI), Y0
	VMOVUPS     (SI), Y1
	VFMADD231PS (R8), Y1, Y0
	VMOVUPS     Y0, (DI)
	ADDQ        $32, DI
	ADDQ        $32, SI
	ADDQ        $32, R8
	SUBQ        $8, DX
	JGT         loop
	VZEROUPPER
	RET

// SCAN: the channels at offset at: x, y's sum and a scratch register.
#define SCAN(at, x, y, t) \
	VMOVUPS     at(SI), t; \
	VMULPS      at(R8), t, t; \
	VFMADD231PS x, Y8, t; \
	VMOVUPS     t, at(SI); \
	VFMADD231PS t, Y9, y

// func scan32x256(y, s, decay, x, b, c *float32, n, lds, ldd int)
TEXT ·scan32x256(SB), 0, $136-72
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
	VMOVUPS (R9), Y4
	VMOVUPS 32(R9), Y5
	VMOVUPS 64(R9), Y6
	VMOVUPS 96(R9), Y7
	VXORPS  Y0, Y0, Y0
	VXORPS  Y1, Y1, Y1
	VXORPS  Y2, Y2, Y2
	VXORPS  Y3, Y3, Y3

	// invariant: the values before SI are done, DX > 0 are left; Y0-Y3 hold the sums over those done
loop:
	VBROADCASTSS (R10), Y8
	VBROADCASTSS (R11), Y9
	SCAN(0, Y4, Y0, Y10)
	SCAN(32, Y5, Y1, Y11)
	SCAN(64, Y6, Y2, Y12)
	SCAN(96, Y7, Y3, Y13)
	ADDQ         R12, SI
	ADDQ         R13, R8
	ADDQ         $4, R10
	ADDQ         $4, R11
	DECQ         DX
	JGT          loop
	VMOVUPS      Y0, (DI)
	VMOVUPS      Y1, 32(DI)
	VMOVUPS      Y2, 64(DI)
	VMOVUPS      Y3, 96(DI)
	VZEROUPPER
	RET

// func scan8x256(y, s, decay, x, b, c *float32, n, lds, ldd int)
TEXT ·scan8x256(SB), 0, $136-72
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
	VMOVUPS (R9), Y4
	VXORPS  Y0, Y0, Y0

	// invariant: as above, of Y0 alone
loop:
	VBROADCASTSS (R10), Y8
	VBROADCASTSS (R11), Y9
	SCAN(0, Y4, Y0, Y10)
	ADDQ         R12, SI
	ADDQ         R13, R8
	ADDQ         $4, R10
	ADDQ         $4, R11
	DECQ         DX
	JGT          loop
	VMOVUPS      Y0, (DI)
	VZEROUPPER
	RET
