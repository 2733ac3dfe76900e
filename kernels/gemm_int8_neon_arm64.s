//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "gemm_int8_neon_arm64.h"

// FOUR adds the products of two quads of a token's codes (in all lanes of V28 and V29) with four rows of weights w0, w1;
// a0 gets rows 0 and 1, a1 rows 2 and 3, as sums of neighbours. Two products of int8 fit in 16 bits.
#define FOUR(w0, w1, a0, a1) \
	SMULL8H(28, w0, 30); \
	SMLAL8H(29, w1, 30); \
	SMULL28H(28, w0, 31); \
	SMLAL28H(29, w1, 31); \
	SADALP4S(30, a0); \
	SADALP4S(31, a1)

#define TOKEN(q, a0, a1, a2, a3) \
	VLD1R.P 4(q), [V28.S4]; \
	VLD1R.P 4(q), [V29.S4]; \
	FOUR(24, 26, a0, a1); \
	FOUR(25, 27, a2, a3)

// func tileNEON(args *tileArgs128)
TEXT ·tileNEON(SB), 0, $136-8
	PROLOGUE(3)

group:
	VMOVI $0, V0.B16
	VMOVI $0, V1.B16
	VMOVI $0, V2.B16
	VMOVI $0, V3.B16
	VMOVI $0, V4.B16
	VMOVI $0, V5.B16
	VMOVI $0, V6.B16
	VMOVI $0, V7.B16
	VMOVI $0, V8.B16
	VMOVI $0, V9.B16
	VMOVI $0, V10.B16
	VMOVI $0, V11.B16
	VMOVI $0, V12.B16
	VMOVI $0, V13.B16
	VMOVI $0, V14.B16
	VMOVI $0, V15.B16
	MOVD R14, R15

	// invariant: V(4t) to V(4t+3) = the group's products with token t before R1
step:
	VLD1.P 64(R1), [V24.B16, V25.B16, V26.B16, V27.B16]
	TOKEN(R4, 0, 1, 2, 3)
	TOKEN(R5, 4, 5, 6, 7)
	TOKEN(R6, 8, 9, 10, 11)
	TOKEN(R7, 12, 13, 14, 15)
	SUBS   $1, R15
	BGT    step
	ADDP4S(1, 0, 0)
	ADDP4S(3, 2, 1)
	ADDP4S(5, 4, 2)
	ADDP4S(7, 6, 3)
	ADDP4S(9, 8, 4)
	ADDP4S(11, 10, 5)
	ADDP4S(13, 12, 6)
	ADDP4S(15, 14, 7)
	EPILOGUE(0, 1, 2, 3, 4, 5, 6, 7)
