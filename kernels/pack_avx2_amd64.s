//go:build !purego

#include "textflag.h"
#include "transpose_avx2_amd64.h"

// func codeRangeAVX2(q *int8, n int) (lo, hi int8)
TEXT ·codeRangeAVX2(SB), 0, $136-18
	MOVQ    q+0(FP), SI
	MOVQ    n+8(FP), CX
	VMOVDQU (SI), Y0
	VMOVDQA Y0, Y1

// Y0 and Y1 are the bytewise least and greatest of all before SI; CX bytes are left.
loop:
	VPMINSB (SI), Y0, Y0
	VPMAXSB (SI), Y1, Y1
	ADDQ    $32, SI
	SUBQ    $32, CX
	JNZ     loop

	// The greatest is the complement of the least complement.
	VPCMPEQD     Y4, Y4, Y4
	VPXOR        Y4, Y1, Y1
	VEXTRACTI128 $1, Y0, X2
	VEXTRACTI128 $1, Y1, X3
	VPMINSB      X2, X0, X0
	VPMINSB      X3, X1, X1
	VPSRLDQ      $8, X0, X2
	VPSRLDQ      $8, X1, X3
	VPMINSB      X2, X0, X0
	VPMINSB      X3, X1, X1
	VPSRLDQ      $4, X0, X2
	VPSRLDQ      $4, X1, X3
	VPMINSB      X2, X0, X0
	VPMINSB      X3, X1, X1
	VPSRLDQ      $2, X0, X2
	VPSRLDQ      $2, X1, X3
	VPMINSB      X2, X0, X0
	VPMINSB      X3, X1, X1
	VPSRLDQ      $1, X0, X2
	VPSRLDQ      $1, X1, X3
	VPMINSB      X2, X0, X0
	VPMINSB      X3, X1, X1
	VPEXTRB      $0, X0, AX
	VPEXTRB      $0, X1, BX
	NOTL         BX
	MOVB         AX, lo+16(FP)
	MOVB         BX, hi+17(FP)
	VZEROUPPER
	RET

// func packRows8AVX2(dst *byte, q *int8, k, bias int)
TEXT ·packRows8AVX2(SB), 0, $136-32
	MOVQ         dst+0(FP), DI
	MOVQ         q+8(FP), SI
	MOVQ         k+16(FP), R8
	MOVQ         bias+24(FP), AX
	VMOVD        AX, X15
	VPBROADCASTB X15, Y15
	LEAQ         (R8)(R8*2), R9
	LEAQ         (SI)(R8*4), R10
	MOVQ         R8, CX

// The columns before SI are stored; CX are left.
loop:
	ROWS4(SI, R10, R8, R9, X0, Y0, X1, Y1, X2, Y2, X3, Y3)
	TRANSPOSE4(Y0, Y1, Y2, Y3, Y4, Y5)
	VPADDB  Y15, Y2, Y2
	VPADDB  Y15, Y3, Y3
	VPADDB  Y15, Y4, Y4
	VPADDB  Y15, Y5, Y5
	VMOVDQU Y2, (DI)
	VMOVDQU Y3, 64(DI)
	VMOVDQU Y4, 128(DI)
	VMOVDQU Y5, 192(DI)
	ADDQ    $256, DI
	ADDQ    $16, SI
	ADDQ    $16, R10
	SUBQ    $16, CX
	JNZ     loop
	VZEROUPPER
	RET
