//go:build !purego

#include "textflag.h"

DATA quantF<>+0(SB)/4, $0x7fffffff // |x|
DATA quantF<>+4(SB)/4, $0x42fe0000 // 127
DATA quantF<>+8(SB)/4, $0x0d800000 // 2^-100
DATA quantF<>+12(SB)/4, $0x01010101
GLOBL quantF<>(SB), RODATA|NOPTR, $16

// func quantizeAVX512(q, packed *int8, d, sx *float32, sum16, sum32 *int32, x *float32, blocks int) (maxBits uint32)
//
//	for b := range blocks { the body of quantize for 32 values; maxBits = max(maxBits, bits(|x|)) }
TEXT ·quantizeAVX512(SB), 0, $136-68
	MOVQ q+0(FP), DI
	MOVQ packed+8(FP), R8
	MOVQ d+16(FP), R9
	MOVQ sx+24(FP), R10
	MOVQ sum16+32(FP), R11
	MOVQ sum32+40(FP), R12
	MOVQ x+48(FP), SI
	MOVQ blocks+56(FP), CX
	VPBROADCASTD quantF<>+0(SB), Z31
	VMOVSS       quantF<>+4(SB), X15
	VMOVSS       quantF<>+8(SB), X14
	VPBROADCASTD quantF<>+12(SB), Y13
	VPXOR        X12, X12, X12 // running maximum of |x| as bits
	XORQ         BX, BX        // block

	// Invariant: blocks below BX are done; SI, DI, R9-R12 point at block BX.
loop:
	VMOVUPS       (SI), Z0
	VMOVUPS       64(SI), Z1
	VPANDD        Z31, Z0, Z2
	VPANDD        Z31, Z1, Z3
	VPMAXUD       Z3, Z2, Z2 // order of |x| as integers is its order as floats, NaN last
	VEXTRACTI64X4 $1, Z2, Y3
	VPMAXUD       Y3, Y2, Y2
	VEXTRACTI128  $1, Y2, X3
	VPMAXUD       X3, X2, X2
	VPSHUFD       $0x4e, X2, X3
	VPMAXUD       X3, X2, X2
	VPSHUFD       $0xb1, X2, X3
	VPMAXUD       X3, X2, X2
	VPMAXUD       X2, X12, X12

	VDIVSS       X15, X2, X4     // d = amax / 127
	VDIVSS       X2, X15, X5     // id = 127 / amax
	VCMPSS       $13, X14, X2, K1 // amax >= 2^-100
	VMOVAPS.Z    X4, K1, X4
	VMOVAPS.Z    X5, K1, X5
	VBROADCASTSS X5, Z5
	VMULPS       Z5, Z0, Z0
	VMULPS       Z5, Z1, Z1
	VCVTPS2DQ    Z0, Z0 // MXCSR: nearest, ties to even
	VCVTPS2DQ    Z1, Z1
	VPMOVDB      Z0, X6
	VPMOVDB      Z1, X7
	VMOVDQU      X6, (DI)
	VMOVDQU      X7, 16(DI)

	// packed: lanes of quad b/4 in the order 0 2 1 3, first halves before second halves
	MOVQ    BX, AX
	ANDQ    $~3, AX
	SHLQ    $5, AX
	MOVQ    BX, DX
	ANDQ    $1, DX
	SHLQ    $5, DX
	ADDQ    DX, AX
	MOVQ    BX, DX
	ANDQ    $2, DX
	SHLQ    $3, DX
	ADDQ    DX, AX
	VMOVDQU X6, (R8)(AX*1)
	VMOVDQU X7, 64(R8)(AX*1)

	VINSERTI128  $1, X7, Y6, Y6
	VPXOR        Y8, Y8, Y8
	VPDPBUSD     Y6, Y13, Y8
	VPHADDD      Y8, Y8, Y8
	VPHADDD      Y8, Y8, Y8
	VEXTRACTI128 $1, Y8, X9
	VMOVD        X8, AX
	VMOVD        X9, DX
	MOVL         AX, (R11)
	MOVL         DX, 4(R11)
	ADDL         DX, AX
	MOVL         AX, (R12)
	VPXOR        X10, X10, X10
	VCVTSI2SSL   AX, X10, X10
	VMULSS       X4, X10, X10
	VMOVSS       X4, (R9)
	VMOVSS       X10, (R10)

	ADDQ $128, SI
	ADDQ $32, DI
	ADDQ $4, R9
	ADDQ $4, R10
	ADDQ $8, R11
	ADDQ $4, R12
	INCQ BX
	CMPQ BX, CX
	JLT  loop

	VMOVD X12, AX
	MOVL  AX, maxBits+64(FP)
	VZEROUPPER
	RET
