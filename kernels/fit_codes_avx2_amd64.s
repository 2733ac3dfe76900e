//go:build !purego

#include "textflag.h"
#include "fit_avx2_amd64.h"

#define xp    SI
#define left  CX

// func roundCodes8(codes *uint8, x *float32, low, scale *[8]float32, n int, least, most int32)
TEXT ·roundCodes8(SB), 0, $136-48
	MOVQ codes+0(FP), DI
	MOVQ x+8(FP), xp
	MOVQ low+16(FP), BX
	MOVQ scale+24(FP), DX
	MOVQ n+32(FP), left
	VMOVUPS      (BX), Y0
	VMOVUPS      (DX), Y1
	VBROADCASTSS least+40(FP), Y2
	VBROADCASTSS most+44(FP), Y3
	BROADCAST($0x4b400000, X4, Y4)
	BROADCAST($0x007fffff, X5, Y5)
	BROADCAST($0x00400000, X6, Y6)
	VXORPS       Y7, Y7, Y7
	VCMPPS       $0, Y7, Y1, Y7 // scale is 0: the bytes that stay
	VEXTRACTI128 $1, Y7, X8
	VPACKSSDW    X8, X7, X7
	VPACKSSWB    X7, X7, X7

	// invariant: codes before DI are done; left > 0 rows of eight follow
round:
	VMOVUPS      (xp), Y8
	VADDPS       Y0, Y8, Y8
	VDIVPS       Y1, Y8, Y8
	VADDPS       Y4, Y8, Y8
	VPAND        Y5, Y8, Y8
	VPSUBD       Y6, Y8, Y8
	VPMINSD      Y3, Y8, Y8
	VPMAXSD      Y2, Y8, Y8
	VPSUBD       Y2, Y8, Y8
	VEXTRACTI128 $1, Y8, X9
	VPACKUSDW    X9, X8, X8
	VPACKUSWB    X8, X8, X8
	VMOVQ        (DI), X9
	VPBLENDVB    X7, X9, X8, X8
	VMOVQ        X8, (DI)
	ADDQ         $32, xp
	ADDQ         $8, DI
	DECQ         left
	JNZ          round
	VZEROUPPER
	RET

// LOAD: a block of 32 values.
#define LOAD \
	VMOVUPS (xp), Y0;   \
	VMOVUPS 32(xp), Y1; \
	VMOVUPS 64(xp), Y2; \
	VMOVUPS 96(xp), Y3

// ALL4: op on each vector of the block.
#define ALL4(op, y) \
	op y, Y0, Y0; \
	op y, Y1, Y1; \
	op y, Y2, Y2; \
	op y, Y3, Y3

// ACROSS: lane 0 of X5 = op over all lanes of Y5; X4 is overwritten.
#define ACROSS(op) \
	VEXTRACTF128 $1, Y5, X4;    \
	op           X4, X5, X5;    \
	VPSHUFD      $0x4e, X5, X4; \
	op           X4, X5, X5;    \
	VPSHUFD      $0xb1, X5, X4; \
	op           X4, X5, X5

// INVERSE: Y4 = 1/d in every lane, 0 for 0; d is lane 0 of X5, one 1 in each lane of X15. X6 is overwritten.
#define INVERSE \
	VDIVSS       X5, X15, X4;    \
	VXORPS       X6, X6, X6;     \
	VCMPSS       $4, X6, X5, X6; \
	VANDPS       X6, X4, X4;     \
	VBROADCASTSS X4, Y4

// CUT: the low bytes of the block cut to whole numbers, in order, in Y0. Y14: 255 in each lane; Y13: the order of fours that packing leaves.
#define CUT \
	VCVTTPS2DQ Y0, Y0;      \
	VCVTTPS2DQ Y1, Y1;      \
	VCVTTPS2DQ Y2, Y2;      \
	VCVTTPS2DQ Y3, Y3;      \
	ALL4(VPAND, Y14);       \
	VPACKUSDW  Y1, Y0, Y0;  \
	VPACKUSDW  Y3, Y2, Y2;  \
	VPACKUSWB  Y2, Y0, Y0;  \
	VPERMD     Y0, Y13, Y0

// CONSTANTS of INVERSE and CUT.
#define CONSTANTS \
	BROADCAST($0x3f800000, X15, Y15); \
	BROADCAST($255, X14, Y14);        \
	VMOVDQU fitOrder<>(SB), Y13

DATA fitOrder<>+0(SB)/8, $0x0000000400000000
DATA fitOrder<>+8(SB)/8, $0x0000000500000001
DATA fitOrder<>+16(SB)/8, $0x0000000600000002
DATA fitOrder<>+24(SB)/8, $0x0000000700000003
GLOBL fitOrder<>(SB), RODATA|NOPTR, $32

// MAGNITUDE: Y5 = the largest magnitude a lane; Y12: the bits but the sign's.
#define MAGNITUDE \
	VANDPS Y12, Y0, Y4;  \
	VANDPS Y12, Y1, Y5;  \
	VANDPS Y12, Y2, Y6;  \
	VANDPS Y12, Y3, Y7;  \
	VMAXPS Y4, Y5, Y5;   \
	VMAXPS Y6, Y7, Y7;   \
	VMAXPS Y5, Y7, Y5

// EQUAL: bits of the mask, by 8*n places, where y & and equals Y5. Y4 and BX are overwritten.
#define EQUAL(y, and, n) \
	VANDPS    and, y, Y4;     \
	VCMPPS    $0, Y5, Y4, Y4; \
	VMOVMSKPS Y4, BX;         \
	SHLL      $(8*n), BX;     \
	ORL       BX, AX

// FIRST: lane 0 of X5 = the first value of the block that equals it after & and.
#define FIRST(and) \
	VBROADCASTSS X5, Y5; \
	XORL AX, AX;         \
	EQUAL(Y0, and, 0);   \
	EQUAL(Y1, and, 1);   \
	EQUAL(Y2, and, 2);   \
	EQUAL(Y3, and, 3);   \
	BSFL AX, AX;         \
	VMOVSS (xp)(AX*4), X5

// func peakCodes256(codes *uint8, d, x *float32, n int, div, bias float32, most int32)
TEXT ·peakCodes256(SB), 0, $136-44
	MOVQ         codes+0(FP), DI
	MOVQ         d+8(FP), R8
	MOVQ         x+16(FP), xp
	MOVQ         n+24(FP), left
	VBROADCASTSS bias+36(FP), Y11
	MOVL         most+40(FP), AX
	VMOVD        AX, X10
	VPBROADCASTB X10, Y10
	CONSTANTS
	BROADCAST($0x7fffffff, X12, Y12)

	// invariant: blocks before xp are done; left > 0 follow
peak:
	LOAD
	MAGNITUDE
	ACROSS(VMAXPS)
	FIRST(Y12)
	VXORPS       X6, X6, X6
	VADDSS       X6, X5, X5          // all are zero: +0, whatever their signs
	VDIVSS       div+32(FP), X5, X5
	VMOVSS       X5, (R8)
	INVERSE
	ALL4(VMULPS, Y4)
	ALL4(VADDPS, Y11)
	CUT
	VPMINSB      Y10, Y0, Y0
	VMOVDQU      Y0, (DI)
	ADDQ         $128, xp
	ADDQ         $32, DI
	ADDQ         $4, R8
	DECQ         left
	JNZ          peak
	VZEROUPPER
	RET

// func peakCodes8x256(codes *uint8, d, x *float32, n int)
TEXT ·peakCodes8x256(SB), 0, $136-32
	MOVQ codes+0(FP), DI
	MOVQ d+8(FP), R8
	MOVQ x+16(FP), xp
	MOVQ n+24(FP), left
	CONSTANTS
	BROADCAST($0x7fffffff, X12, Y12)
	BROADCAST($0x42fe0000, X11, Y11) // 127
	BROADCAST($0x3effffff, X10, Y10) // just less than a half

	// invariant: blocks before xp are done; left > 0 follow
peak8:
	LOAD
	MAGNITUDE
	ACROSS(VMAXPS)
	VDIVSS  X11, X5, X5
	VMOVSS  X5, (R8)
	INVERSE
	ALL4(VMULPS, Y4)
	VANDNPS Y0, Y12, Y4 // the sign
	VORPS   Y10, Y4, Y4
	VADDPS  Y4, Y0, Y0
	VANDNPS Y1, Y12, Y4
	VORPS   Y10, Y4, Y4
	VADDPS  Y4, Y1, Y1
	VANDNPS Y2, Y12, Y4
	VORPS   Y10, Y4, Y4
	VADDPS  Y4, Y2, Y2
	VANDNPS Y3, Y12, Y4
	VORPS   Y10, Y4, Y4
	VADDPS  Y4, Y3, Y3
	CUT
	VMOVDQU Y0, (DI)
	ADDQ    $128, xp
	ADDQ    $32, DI
	ADDQ    $4, R8
	DECQ    left
	JNZ     peak8
	VZEROUPPER
	RET

// func spanCodes256(codes *uint8, d, m, x *float32, n int, most int32)
TEXT ·spanCodes256(SB), 0, $136-44
	MOVQ         codes+0(FP), DI
	MOVQ         d+8(FP), R8
	MOVQ         m+16(FP), R9
	MOVQ         x+24(FP), xp
	MOVQ         n+32(FP), left
	MOVL         most+40(FP), AX
	VMOVD        AX, X10
	VPBROADCASTB X10, Y10
	VCVTSI2SSL   most+40(FP), X8, X8
	CONSTANTS
	BROADCAST($0x3f000000, X11, Y11)

	// invariant: blocks before xp are done; left > 0 follow
span:
	LOAD
	VMAXPS       Y0, Y1, Y4
	VMAXPS       Y2, Y3, Y5
	VMAXPS       Y4, Y5, Y5
	ACROSS(VMAXPS)
	VMOVAPS      X5, X7
	VMINPS       Y0, Y1, Y4
	VMINPS       Y2, Y3, Y5
	VMINPS       Y4, Y5, Y5
	ACROSS(VMINPS)
	VPCMPEQD     Y6, Y6, Y6
	FIRST(Y6)                    // of zeros the first one's sign counts
	VMOVSS       X5, (R9)
	VBROADCASTSS X5, Y9
	VSUBSS       X5, X7, X5
	VXORPS       X6, X6, X6
	VADDSS       X6, X5, X5      // never -0
	VDIVSS       X8, X5, X5
	VMOVSS       X5, (R8)
	INVERSE
	ALL4(VSUBPS, Y9)
	ALL4(VMULPS, Y4)
	ALL4(VADDPS, Y11)
	CUT
	VPMINSB      Y10, Y0, Y0
	VMOVDQU      Y0, (DI)
	ADDQ         $128, xp
	ADDQ         $32, DI
	ADDQ         $4, R8
	ADDQ         $4, R9
	DECQ         left
	JNZ          span
	VZEROUPPER
	RET
