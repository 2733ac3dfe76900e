//go:build !purego

#include "textflag.h"
#include "fit_avx2_amd64.h"

#define xp    SI
#define wp    DX
#define left  CX
#define list  R8
#define tried R9

#define scale  Y0
#define sumLX  Y1
#define sumL2  Y2
#define peak   Y3
#define bestS  Y4  // scale of the best so far
#define least  Y5  // -half
#define most   Y6  // half - 1
#define magic  Y7
#define best   Y11
#define found  Y12
#define tiny   Y13 // lanes that count as zero
#define halves Y14
#define signs  Y15

// ROUND: q = x*scale to the nearest whole number in [least, most].
#define ROUND(x, scale, q) \
	VMULPS x, scale, q; \
	VADDPS magic, q, q; \
	VSUBPS magic, q, q; \
	VMINPS most, q, q;  \
	VMAXPS least, q, q

// func fitSymmetric8(d *[8]float32, codes *uint8, x, w *float32, n int, half float32, tries *[19]float32)
TEXT ·fitSymmetric8(SB), 0, $136-56
	MOVQ x+16(FP), xp
	MOVQ n+32(FP), left
	MOVQ tries+48(FP), list
	BROADCAST($0x4b400000, X7, magic)
	BROADCAST($0x80000000, X15, signs)
	BROADCAST($0x3f800000, X8, Y8)
	VBROADCASTSS half+40(FP), halves
	VXORPS       halves, signs, least
	VSUBPS       Y8, halves, most
	VXORPS       peak, peak, peak
	VXORPS       Y9, Y9, Y9

	// invariant: Y9 is the largest magnitude before xp, peak the first value that has it
extreme:
	VMOVUPS   (xp), Y8
	VANDNPS   Y8, signs, Y10
	VCMPPS    $30, Y9, Y10, Y1 // greater
	VBLENDVPS Y1, Y8, peak, peak
	VMAXPS    Y9, Y10, Y9
	ADDQ      $32, xp
	DECQ      left
	JNZ       extreme
	BROADCAST($0x26901d7d, X8, Y8) // 1e-15
	VCMPPS    $17, Y8, Y9, tiny    // less
	XORL      tried, tried

try:
	VBROADCASTSS (list)(tried*4), Y8
	VDIVPS       peak, Y8, scale
	VXORPS       sumLX, sumLX, sumLX
	VXORPS       sumL2, sumL2, sumL2
	MOVQ         x+16(FP), xp
	MOVQ         w+24(FP), wp
	MOVQ         n+32(FP), left

sums:
	VMOVUPS (xp), Y8
	VMOVUPS (wp), Y9
	ROUND(Y8, scale, Y10)
	VMULPS  Y8, Y9, Y8
	VMULPS  Y10, Y8, Y8
	VADDPS  Y8, sumLX, sumLX
	VMULPS  Y10, Y9, Y9
	VMULPS  Y10, Y9, Y9
	VADDPS  Y9, sumL2, sumL2
	ADDQ    $32, xp
	ADDQ    $32, wp
	DECQ    left
	JNZ     sums

	VDIVPS sumL2, sumLX, Y8
	VXORPS Y9, Y9, Y9
	TESTL  tried, tried
	JNZ    better
	VCMPPS $4, Y9, sumL2, Y10 // not 0
	VANDPS Y10, Y8, found
	VMULPS sumLX, found, best
	VMOVAPS scale, bestS
	JMP    next

better:
	VCMPPS    $30, Y9, sumL2, Y10   // greater
	VMULPS    sumL2, best, sumL2
	VMULPS    sumLX, sumLX, Y9
	VCMPPS    $30, sumL2, Y9, Y9
	VANDPS    Y9, Y10, Y10
	VMULPS    sumLX, Y8, Y9
	VBLENDVPS Y10, Y8, found, found
	VBLENDVPS Y10, Y9, best, best
	VBLENDVPS Y10, scale, bestS, bestS

next:
	INCL tried
	CMPL tried, $19
	JNE  try

	VANDNPS found, tiny, found
	MOVQ    d+0(FP), DI
	VMOVUPS found, (DI)
	MOVQ    codes+8(FP), DI
	MOVQ    x+16(FP), xp
	MOVQ    n+32(FP), left

codes:
	VMOVUPS (xp), Y8
	ROUND(Y8, bestS, Y10)
	VADDPS  halves, Y10, Y10
	VANDNPS Y10, tiny, Y10
	BYTES(X10, Y10, X9)
	VMOVQ   X10, (DI)
	ADDQ $32, xp
	ADDQ $8, DI
	DECQ left
	JNZ  codes
	VZEROUPPER
	RET
