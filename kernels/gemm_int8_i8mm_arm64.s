//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "gemm_int8_neon_arm64.h"

// EIGHT adds the products of eight codes of tokens 0, 1 (t01) and 2, 3 (t23) with those of rows 0 to 7, two rows a vector.
#define EIGHT(t01, t23, w0, w1, w2, w3) \
	SMMLA4S(w0, t01, 0); \
	SMMLA4S(w1, t01, 1); \
	SMMLA4S(w2, t01, 2); \
	SMMLA4S(w3, t01, 3); \
	SMMLA4S(w0, t23, 4); \
	SMMLA4S(w1, t23, 5); \
	SMMLA4S(w2, t23, 6); \
	SMMLA4S(w3, t23, 7)

// func tileI8MM(args *tileArgs128)
TEXT ·tileI8MM(SB), 0, $136-8
	PROLOGUE(4)

group:
	VMOVI $0, V0.B16
	VMOVI $0, V1.B16
	VMOVI $0, V2.B16
	VMOVI $0, V3.B16
	VMOVI $0, V4.B16
	VMOVI $0, V5.B16
	VMOVI $0, V6.B16
	VMOVI $0, V7.B16
	MOVD R14, R15

	// invariant: V(4u+p) = the group's products of tokens 2u, 2u+1 with rows 2p, 2p+1 before R1
step:
	VLD1.P 64(R1), [V8.B16, V9.B16, V10.B16, V11.B16]
	VLD1.P 64(R1), [V12.B16, V13.B16, V14.B16, V15.B16]
	VLD1.P 16(R4), [V28.B16]
	VLD1.P 16(R5), [V29.B16]
	VLD1.P 16(R6), [V30.B16]
	VLD1.P 16(R7), [V31.B16]
	VZIP1  V29.D2, V28.D2, V24.D2
	VZIP1  V31.D2, V30.D2, V25.D2
	VZIP2  V29.D2, V28.D2, V26.D2
	VZIP2  V31.D2, V30.D2, V27.D2
	EIGHT(24, 25, 8, 9, 10, 11)
	EIGHT(26, 27, 12, 13, 14, 15)
	SUBS   $1, R15
	BGT    step
	VZIP1  V1.D2, V0.D2, V8.D2   // token 0, rows 0 to 3
	VZIP1  V3.D2, V2.D2, V9.D2
	VZIP2  V1.D2, V0.D2, V10.D2  // token 1
	VZIP2  V3.D2, V2.D2, V11.D2
	VZIP1  V5.D2, V4.D2, V12.D2
	VZIP1  V7.D2, V6.D2, V13.D2
	VZIP2  V5.D2, V4.D2, V14.D2
	VZIP2  V7.D2, V6.D2, V15.D2
	EPILOGUE(8, 9, 10, 11, 12, 13, 14, 15)
