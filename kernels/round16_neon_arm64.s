//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func round16x128(codes *int16, x *float32, blocks int) (d float32)
TEXT ·round16x128(SB), 0, $136-28
	MOVD  codes+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  blocks+16(FP), R2
	MOVW  $0x7fffffff, R7
	VDUP  R7, V30.S4
	MOVW  $0x46fffe00, R7      // 32767
	FMOVS R7, F29
	MOVW  $0x7f800000, R10     // +Inf
	MOVW  $(127-100)<<23, R11  // minAmax
	VMOVI $0, V16.B16
	MOVD  R1, R3
	MOVD  R2, R4

	// invariant: V16 = the largest |x| of the blocks before R3, lane by lane, as bits; R4 > 0 are left
largest:
	VLD1.P 64(R3), [V0.S4, V1.S4, V2.S4, V3.S4]
	VAND   V30.B16, V0.B16, V0.B16
	VAND   V30.B16, V1.B16, V1.B16
	VAND   V30.B16, V2.B16, V2.B16
	VAND   V30.B16, V3.B16, V3.B16
	VUMAX  V1.S4, V0.S4, V0.S4
	VUMAX  V3.S4, V2.S4, V2.S4
	VUMAX  V2.S4, V0.S4, V0.S4
	VUMAX  V0.S4, V16.S4, V16.S4
	SUB    $1, R4
	CBNZ   R4, largest

	UMAXV4S(16, 16)
	FMOVS F16, R7
	FMOVS ZR, F17
	FMOVS ZR, F18
	CMPW  R10, R7
	BHS   bad
	CMPW  R11, R7
	BLO   scaled
	FDIVS F29, F16, F17        // d
	FDIVS F16, F29, F18

	// invariant: codes of the blocks before R1 are written, R2 > 0 are left
scaled:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMULE4S(0, 18, 0, 0)
	FMULE4S(0, 18, 1, 1)
	FMULE4S(0, 18, 2, 2)
	FMULE4S(0, 18, 3, 3)
	FCVTNS4S(0, 0)
	FCVTNS4S(1, 1)
	FCVTNS4S(2, 2)
	FCVTNS4S(3, 3)
	XTN4H(0, 4)
	XTN28H(1, 4)
	XTN4H(2, 5)
	XTN28H(3, 5)
	VST1.P [V4.H8, V5.H8], 32(R0)
	SUB    $1, R2
	CBNZ   R2, scaled
	FMOVS  F17, d+24(FP)
	RET

bad:
	MOVW  $0x7fc00000, R7
	FMOVS R7, F17
	FMOVS F17, d+24(FP)
	VMOVI $0, V4.B16
	VMOVI $0, V5.B16

	// invariant: codes of all but R2 > 0 blocks are zeros
zeros:
	VST1.P [V4.H8, V5.H8], 32(R0)
	SUB    $1, R2
	CBNZ   R2, zeros
	RET

// func weigh16x128(w, p, s *float32, blocks int)
TEXT ·weigh16x128(SB), 0, $136-32
	MOVD w+0(FP), R0
	MOVD p+8(FP), R1
	MOVD s+16(FP), R2
	MOVD blocks+24(FP), R3
	MOVW $0x1f800000, R7       // 2^-64
	VDUP R7, V30.S4

	// invariant: weights of the blocks before R0 are written, R3 > 0 are left
loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R2), [V4.S4, V5.S4, V6.S4, V7.S4]
	FCMGT4S(0, 30, 16)
	FCMGT4S(1, 30, 17)
	FCMGT4S(2, 30, 18)
	FCMGT4S(3, 30, 19)
	BIC16B(16, 0, 0)
	BIC16B(17, 1, 1)
	BIC16B(18, 2, 2)
	BIC16B(19, 3, 3)
	FMUL4S(4, 0, 0)
	FMUL4S(5, 1, 1)
	FMUL4S(6, 2, 2)
	FMUL4S(7, 3, 3)
	BIC16B(16, 0, 0)
	BIC16B(17, 1, 1)
	BIC16B(18, 2, 2)
	BIC16B(19, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUB    $1, R3
	CBNZ   R3, loop
	RET
