//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func quantizeNEON(x *float32, nb int, q *int8, d, sx *float32, sum16, sum32 *int32) bool
TEXT ·quantizeNEON(SB), 0, $136-57
	MOVD  x+0(FP), R0
	MOVD  nb+8(FP), R1
	MOVD  q+16(FP), R2
	MOVD  d+24(FP), R3
	MOVD  sx+32(FP), R4
	MOVD  sum16+40(FP), R5
	MOVD  sum32+48(FP), R6
	MOVW  $0x7fffffff, R7
	VDUP  R7, V30.S4
	MOVW  $0x42fe0000, R7      // 127
	FMOVS R7, F29
	MOVW  $0x7f800000, R10     // +Inf
	MOVW  $(127-100)<<23, R11  // minAmax

	// invariant: the blocks before R0 are done, R1 > 0 are left
loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VAND   V30.B16, V0.B16, V16.B16
	VAND   V30.B16, V1.B16, V17.B16
	VAND   V30.B16, V2.B16, V18.B16
	VAND   V30.B16, V3.B16, V19.B16
	VAND   V30.B16, V4.B16, V20.B16
	VAND   V30.B16, V5.B16, V21.B16
	VAND   V30.B16, V6.B16, V22.B16
	VAND   V30.B16, V7.B16, V23.B16
	VUMAX  V17.S4, V16.S4, V16.S4
	VUMAX  V19.S4, V18.S4, V18.S4
	VUMAX  V21.S4, V20.S4, V20.S4
	VUMAX  V23.S4, V22.S4, V22.S4
	VUMAX  V18.S4, V16.S4, V16.S4
	VUMAX  V22.S4, V20.S4, V20.S4
	VUMAX  V20.S4, V16.S4, V16.S4
	UMAXV4S(16, 16)               // of finite values the largest bits are the largest value
	FMOVS  F16, R7
	CMPW   R10, R7
	BHS    refuse
	FMOVS  ZR, F17
	FMOVS  ZR, F18
	CMPW   R11, R7
	BLO    scaled
	FDIVS  F29, F16, F17          // d
	FDIVS  F16, F29, F18

scaled:
	FMULE4S(0, 18, 0, 0)
	FMULE4S(0, 18, 1, 1)
	FMULE4S(0, 18, 2, 2)
	FMULE4S(0, 18, 3, 3)
	FMULE4S(0, 18, 4, 4)
	FMULE4S(0, 18, 5, 5)
	FMULE4S(0, 18, 6, 6)
	FMULE4S(0, 18, 7, 7)
	FCVTNS4S(0, 0)
	FCVTNS4S(1, 1)
	FCVTNS4S(2, 2)
	FCVTNS4S(3, 3)
	FCVTNS4S(4, 4)
	FCVTNS4S(5, 5)
	FCVTNS4S(6, 6)
	FCVTNS4S(7, 7)
	XTN4H(0, 20)
	XTN28H(1, 20)
	XTN4H(2, 21)
	XTN28H(3, 21)
	XTN4H(4, 22)
	XTN28H(5, 22)
	XTN4H(6, 23)
	XTN28H(7, 23)
	XTN8B(20, 24)
	XTN216B(21, 24)
	XTN8B(22, 25)
	XTN216B(23, 25)
	VST1.P [V24.B16, V25.B16], 32(R2)
	VADD   V1.S4, V0.S4, V0.S4
	VADD   V3.S4, V2.S4, V2.S4
	VADD   V5.S4, V4.S4, V4.S4
	VADD   V7.S4, V6.S4, V6.S4
	VADD   V2.S4, V0.S4, V0.S4
	VADD   V6.S4, V4.S4, V4.S4
	VADDV  V0.S4, V0
	VADDV  V4.S4, V4
	FMOVS  F0, R7
	FMOVS  F4, R8
	ADDW   R7, R8, R9
	MOVW.P R7, 4(R5)
	MOVW.P R8, 4(R5)
	MOVW.P R9, 4(R6)
	SCVTFWS R9, F1
	FMULS  F17, F1, F1
	FMOVS.P F17, 4(R3)
	FMOVS.P F1, 4(R4)
	SUBS   $1, R1
	BGT    loop
	MOVD   $1, R7
	MOVB   R7, ret+56(FP)
	RET

refuse:
	MOVB ZR, ret+56(FP)
	RET
