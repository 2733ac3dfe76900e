//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "fit_avx2_amd64.h"

// Stack: trial codes as floats, then eight lanes each of the sums that all trials share of the best trial's scale and minimum, and masks:
// lanes without a range, lanes where a trial beat the first codes.
#define trial  0
#define sumW   1024
#define sumX   1056
#define codeS  1088
#define codeM  1120
#define flat   1152
#define moved  1184

#define xp    SI
#define wp    DX
#define left  CX
#define steps R9

#define scale   Y0
#define low     Y1  // minimum of the best so far
#define top     Y5
#define zero    Y6
#define magic   Y7
#define error   Y11 // of the trial
#define d       Y12 // of the best so far, as is
#define best    Y13
#define maximum Y14
#define signs   Y15

// ROUND: q = what affineCode gives, as a float. MAX's second operand, zero, is the answer for a NaN.
#define ROUND(x, low, scale, q) \
	VSUBPS low, x, q;   \
	VMULPS scale, q, q; \
	VMAXPS zero, q, q;  \
	VMINPS top, q, q;   \
	VADDPS magic, q, q; \
	VSUBPS magic, q, q

// func fitAffine8(f *AffineFit, codes *uint8, x, w *float32, n int)
TEXT ·fitAffine8(SB), 0, $1216-40
	MOVQ         f+0(FP), BX
	MOVQ         x+16(FP), xp
	MOVQ         w+24(FP), wp
	MOVQ         n+32(FP), left
	BROADCAST($0x4b400000, X7, magic)
	BROADCAST($0x80000000, X15, signs)
	VXORPS       zero, zero, zero
	VBROADCASTSS AffineFit_Top(BX), top
	VMOVUPS      (xp), low
	VMOVUPS      low, maximum
	VMOVUPS      (wp), Y2       // sum of w
	VMULPS       low, Y2, Y3    // of w*x
	DECQ         left
	JZ           ranged

	// invariant: values before xp are in the range and the sums; left > 0 follow it
range:
	ADDQ   $32, xp
	ADDQ   $32, wp
	VMOVUPS (xp), Y8
	VMOVUPS (wp), Y9
	VMINPS low, Y8, low         // the old one of equals, as < gives
	VMAXPS maximum, Y8, maximum
	VADDPS Y9, Y2, Y2
	VMULPS Y8, Y9, Y9
	VADDPS Y9, Y3, Y3
	DECQ   left
	JNZ    range

ranged:
	VMINPS  low, zero, low
	VMOVUPS Y2, sumW(SP)
	VMOVUPS Y3, sumX(SP)
	VCMPPS  $18, low, maximum, Y8 // maximum <= minimum
	VMOVUPS Y8, flat(SP)
	VSUBPS  low, maximum, Y8
	VDIVPS  Y8, top, scale
	BROADCAST($0x3f800000, X8, Y8)
	VDIVPS  scale, Y8, d
	VCVTPS2DQ top, Y9
	BROADCAST($0x007fffff, X10, Y10)
	BROADCAST($0x00400000, X4, Y4)
	VMOVUPS flat(SP), Y13
	MOVQ    codes+8(FP), R8
	VMOVAPS d, Y2               // what the error is taken of: scale and minimum
	VMOVAPS low, Y3
	MOVQ    $-1, steps          // the first codes have no sums
	MOVQ    x+16(FP), xp
	MOVQ    n+32(FP), left
	LEAQ    trial(SP), DI

first: // rounded by the last place of a sum, and bounded then: a range that is too small gives zeros
	VMOVUPS      (xp), Y8
	VSUBPS       low, Y8, Y8
	VMULPS       scale, Y8, Y8
	VADDPS       magic, Y8, Y8
	VPAND        Y10, Y8, Y8
	VPSUBD       Y4, Y8, Y8
	VPMINSD      Y9, Y8, Y8
	VPMAXSD      zero, Y8, Y8
	VCVTDQ2PS    Y8, Y11
	VMOVUPS      Y11, (DI)
	VPANDN       Y8, Y13, Y8
	VEXTRACTI128 $1, Y8, X11
	VPACKUSDW    X11, X8, X8
	VPACKUSWB    X8, X8, X8
	VMOVQ        X8, (R8)
	ADDQ         $32, xp
	ADDQ         $32, DI
	ADDQ         $8, R8
	DECQ         left
	JNZ          first
	VXORPS       Y8, Y8, Y8
	VMOVUPS      Y8, moved(SP)
	JMP          errors

	// A trial: codes to the stack, and their sums.
try:
	VCVTSI2SSQ   steps, X8, X8
	VBROADCASTSS X8, Y8
	VBROADCASTSS AffineFit_Step(BX), Y9
	VMULPS       Y8, Y9, Y8
	VBROADCASTSS AffineFit_First(BX), Y9
	VADDPS       Y8, Y9, Y8
	VADDPS       top, Y8, Y8
	VSUBPS       low, maximum, Y9
	VDIVPS       Y9, Y8, scale
	VXORPS       Y2, Y2, Y2     // sum of w*l
	VXORPS       Y3, Y3, Y3     // of w*l*l
	VXORPS       Y4, Y4, Y4     // of w*l*x
	MOVQ         x+16(FP), xp
	MOVQ         w+24(FP), wp
	MOVQ         n+32(FP), left
	LEAQ         trial(SP), DI

sums:
	VMOVUPS (xp), Y8
	ROUND(Y8, low, scale, Y9)
	VMOVUPS Y9, (DI)
	VMULPS  (wp), Y9, Y10
	VADDPS  Y10, Y2, Y2
	VMULPS  Y10, Y9, Y9
	VADDPS  Y9, Y3, Y3
	VMULPS  Y10, Y8, Y8
	VADDPS  Y8, Y4, Y4
	ADDQ    $32, xp
	ADDQ    $32, wp
	ADDQ    $32, DI
	DECQ    left
	JNZ     sums

	VMULPS    sumW(SP), Y3, Y8
	VMULPS    Y2, Y2, Y9
	VSUBPS    Y9, Y8, Y8        // determinant
	VMULPS    sumW(SP), Y4, Y9
	VMULPS    sumX(SP), Y2, Y10
	VSUBPS    Y10, Y9, Y9
	VDIVPS    Y8, Y9, Y9        // scale
	VMULPS    sumX(SP), Y3, Y10
	VMULPS    Y4, Y2, Y2
	VSUBPS    Y2, Y10, Y10
	VDIVPS    Y8, Y10, Y10      // minimum
	VDIVPS    Y3, Y4, Y4        // scale for a minimum of 0
	VCMPPS    $30, zero, Y10, Y3 // minimum > 0
	VBLENDVPS Y3, Y4, Y9, Y2
	VANDNPS   Y10, Y3, Y3
	VCMPPS    $30, zero, Y8, Y4 // determinant > 0

	// The error of scale Y2 and minimum Y3; Y4: the lanes that count.
errors:
	VXORPS error, error, error
	MOVQ   x+16(FP), xp
	MOVQ   w+24(FP), wp
	MOVQ   n+32(FP), left
	LEAQ   trial(SP), DI
	CMPB   AffineFit_Absolute(BX), $0
	JNE    absolute

squares:
	VMULPS (DI), Y2, Y8
	VADDPS Y3, Y8, Y8
	VSUBPS (xp), Y8, Y8
	VMULPS Y8, Y8, Y8
	VMULPS (wp), Y8, Y8
	VADDPS Y8, error, error
	ADDQ   $32, xp
	ADDQ   $32, wp
	ADDQ   $32, DI
	DECQ   left
	JNZ    squares
	JMP    judge

absolute:
	VMULPS  (DI), Y2, Y8
	VADDPS  Y3, Y8, Y8
	VSUBPS  (xp), Y8, Y8
	VANDNPS Y8, signs, Y8
	VMULPS  (wp), Y8, Y8
	VADDPS  Y8, error, error
	ADDQ    $32, xp
	ADDQ    $32, wp
	ADDQ    $32, DI
	DECQ    left
	JNZ     absolute

judge:
	CMPQ      steps, $0
	JLT       started
	VCMPPS    $17, best, error, Y8 // error < best
	VANDPS    Y4, Y8, Y8
	VMOVUPS   flat(SP), Y9
	VANDNPS   Y8, Y9, Y8
	VBLENDVPS Y8, error, best, best
	VBLENDVPS Y8, Y2, d, d
	VORPS     moved(SP), Y8, Y9
	VMOVUPS   Y9, moved(SP)
	VMOVUPS   codeS(SP), Y9
	VBLENDVPS Y8, scale, Y9, Y9
	VMOVUPS   Y9, codeS(SP)
	VMOVUPS   codeM(SP), Y9
	VBLENDVPS Y8, low, Y9, Y9
	VMOVUPS   Y9, codeM(SP)
	VBLENDVPS Y8, Y3, low, low
	JMP       next

started:
	VMOVAPS error, best

next:
	INCQ steps
	CMPQ steps, AffineFit_Steps(BX)
	JLE  try

	VMOVUPS flat(SP), Y8
	VANDNPS d, Y8, d
	VMOVUPS d, AffineFit_D(BX)
	VXORPS  signs, low, Y9
	VMOVUPS Y9, AffineFit_Low(BX)
	VMOVUPS codeS(SP), scale
	VMOVUPS codeM(SP), low
	VMOVUPS moved(SP), Y3
	VEXTRACTI128 $1, Y3, X4
	VPACKSSDW    X4, X3, X3
	VPACKSSWB    X3, X3, X3
	MOVQ         codes+8(FP), DI
	MOVQ         x+16(FP), xp
	MOVQ         n+32(FP), left

codes:
	VMOVUPS   (xp), Y8
	ROUND(Y8, low, scale, Y9)
	BYTES(X9, Y9, X10)
	VMOVQ     (DI), X8
	VPBLENDVB X3, X9, X8, X8
	VMOVQ     X8, (DI)
	ADDQ      $32, xp
	ADDQ      $8, DI
	DECQ      left
	JNZ       codes
	VZEROUPPER
	RET
