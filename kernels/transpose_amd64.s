//go:build !purego

#include "textflag.h"

// TRANSPOSE4 turns four vectors of rows r, r+1, r+2, r+3 (per 128-bit lane, four columns) in r0..r3 into the four
// columns, in place; t0..t3 are scratch.
#define TRANSPOSE4(r0, r1, r2, r3, t0, t1, t2, t3) \
	VUNPCKLPS r1, r0, t0; \
	VUNPCKHPS r1, r0, t1; \
	VUNPCKLPS r3, r2, t2; \
	VUNPCKHPS r3, r2, t3; \
	VUNPCKLPD t2, t0, r0; \
	VUNPCKHPD t2, t0, r1; \
	VUNPCKLPD t3, t1, r2; \
	VUNPCKHPD t3, t1, r3

// GATHER16 loads four columns of rows r, r+4, r+8, r+12, one row a lane.
#define GATHER16(a, b, c, d, x, z) \
	VMOVUPS         a, x;     \
	VBROADCASTF32X4 b, K1, z; \
	VBROADCASTF32X4 c, K2, z; \
	VBROADCASTF32X4 d, K3, z

// func transposeRows512(dst *float32, ldd int, src *float32, lds int, quads int)
TEXT ·transposeRows512(SB), 0, $136-40
	MOVQ  dst+0(FP), DI
	MOVQ  ldd+8(FP), R11
	MOVQ  src+16(FP), AX
	MOVQ  lds+24(FP), R8
	MOVQ  quads+32(FP), R12
	LEAQ  (R8)(R8*2), R9
	LEAQ  (AX)(R8*4), BX
	LEAQ  (AX)(R8*8), CX
	LEAQ  (BX)(R8*8), DX
	LEAQ  (R11)(R11*2), R10
	MOVL  $0x00f0, SI
	KMOVW SI, K1
	MOVL  $0x0f00, SI
	KMOVW SI, K2
	MOVL  $0xf000, SI
	KMOVW SI, K3

	// invariant: the columns before AX are done
loop:
	GATHER16((AX), (BX), (CX), (DX), X0, Z0)
	GATHER16((AX)(R8*1), (BX)(R8*1), (CX)(R8*1), (DX)(R8*1), X1, Z1)
	GATHER16((AX)(R8*2), (BX)(R8*2), (CX)(R8*2), (DX)(R8*2), X2, Z2)
	GATHER16((AX)(R9*1), (BX)(R9*1), (CX)(R9*1), (DX)(R9*1), X3, Z3)
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, (DI)(R11*1)
	VMOVUPS Z2, (DI)(R11*2)
	VMOVUPS Z3, (DI)(R10*1)
	ADDQ    $16, AX
	ADDQ    $16, BX
	ADDQ    $16, CX
	ADDQ    $16, DX
	LEAQ    (DI)(R11*4), DI
	DECQ    R12
	JNE     loop
	VZEROUPPER
	RET

// func transposeRows256(dst *float32, ldd int, src *float32, lds int, quads int)
TEXT ·transposeRows256(SB), 0, $136-40
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R11
	MOVQ src+16(FP), AX
	MOVQ lds+24(FP), R8
	MOVQ quads+32(FP), R12
	LEAQ (R8)(R8*2), R9
	LEAQ (AX)(R8*4), BX
	LEAQ (R11)(R11*2), R10

	// invariant: the columns before AX are done
loop:
	VMOVUPS     (AX), X0
	VMOVUPS     (AX)(R8*1), X1
	VMOVUPS     (AX)(R8*2), X2
	VMOVUPS     (AX)(R9*1), X3
	VINSERTF128 $1, (BX), Y0, Y0
	VINSERTF128 $1, (BX)(R8*1), Y1, Y1
	VINSERTF128 $1, (BX)(R8*2), Y2, Y2
	VINSERTF128 $1, (BX)(R9*1), Y3, Y3
	TRANSPOSE4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	VMOVUPS     Y0, (DI)
	VMOVUPS     Y1, (DI)(R11*1)
	VMOVUPS     Y2, (DI)(R11*2)
	VMOVUPS     Y3, (DI)(R10*1)
	ADDQ        $16, AX
	ADDQ        $16, BX
	LEAQ        (DI)(R11*4), DI
	DECQ        R12
	JNE         loop
	VZEROUPPER
	RET
