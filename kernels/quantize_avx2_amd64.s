//go:build !purego

#include "textflag.h"

DATA packOrder<>+0(SB)/4, $0
DATA packOrder<>+4(SB)/4, $4
DATA packOrder<>+8(SB)/4, $1
DATA packOrder<>+12(SB)/4, $5
DATA packOrder<>+16(SB)/4, $2
DATA packOrder<>+20(SB)/4, $6
DATA packOrder<>+24(SB)/4, $3
DATA packOrder<>+28(SB)/4, $7
GLOBL packOrder<>(SB), RODATA|NOPTR, $32

// func quantizeAVX2(x *float32, nb int, q *int8, d, sx *float32, sum16, sum32 *int32) bool
TEXT ·quantizeAVX2(SB), 0, $136-57
	MOVQ x+0(FP), SI
	MOVQ nb+8(FP), CX
	MOVQ q+16(FP), DI
	MOVQ d+24(FP), R8
	MOVQ sx+32(FP), R9
	MOVQ sum16+40(FP), R10
	MOVQ sum32+48(FP), R11
	VPCMPEQD Y15, Y15, Y15
	VPSRLD   $1, Y15, Y15           // 0x7fffffff
	MOVL     $0x42fe0000, AX
	VMOVD    AX, X14                // 127
	VMOVDQU  packOrder<>(SB), Y13
	MOVB     $1, ret+56(FP)

// Blocks before SI are stored; CX blocks are left.
block:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3

	// The bits of |x| order as integers do, with infinity and NaNs above every number.
	VPAND        Y15, Y0, Y4
	VPAND        Y15, Y1, Y5
	VPAND        Y15, Y2, Y6
	VPAND        Y15, Y3, Y7
	VPMAXUD      Y5, Y4, Y4
	VPMAXUD      Y7, Y6, Y6
	VPMAXUD      Y6, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPMAXUD      X5, X4, X4
	VPSHUFD      $0x4e, X4, X5
	VPMAXUD      X5, X4, X4
	VPSHUFD      $0xb1, X4, X5
	VPMAXUD      X5, X4, X4
	VMOVD        X4, AX
	CMPL         AX, $0x7f7fffff
	JHI          bad
	VXORPS       X5, X5, X5
	VXORPS       Y6, Y6, Y6
	CMPL         AX, $0x0d800000    // 2^-100
	JCS          scaled
	VDIVSS       X14, X4, X5        // d = amax/127
	VDIVSS       X4, X14, X6        // 127/amax
	VBROADCASTSS X6, Y6

scaled:
	VMULPS    Y6, Y0, Y0
	VMULPS    Y6, Y1, Y1
	VMULPS    Y6, Y2, Y2
	VMULPS    Y6, Y3, Y3
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3

	VPADDD       Y1, Y0, Y7         // the first 16
	VPADDD       Y3, Y2, Y8         // the second 16
	VPHADDD      Y8, Y7, Y7
	VPHADDD      Y7, Y7, Y7
	VEXTRACTI128 $1, Y7, X8
	VPADDD       X8, X7, X7
	VMOVQ        X7, (R10)
	VPSHUFD      $0xb1, X7, X8
	VPADDD       X8, X7, X7
	VMOVD        X7, (R11)
	VCVTDQ2PS    X7, X7
	VMULSS       X5, X7, X7
	VMOVSS       X7, (R9)
	VMOVSS       X5, (R8)

	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSWB Y2, Y0, Y0
	VPERMD    Y0, Y13, Y0
	VMOVDQU   Y0, (DI)

	ADDQ $128, SI
	ADDQ $32, DI
	ADDQ $4, R8
	ADDQ $4, R9
	ADDQ $8, R10
	ADDQ $4, R11
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

bad:
	MOVB $0, ret+56(FP)
	VZEROUPPER
	RET
