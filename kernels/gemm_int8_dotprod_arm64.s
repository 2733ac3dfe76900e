//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "gemm_int8_neon_arm64.h"

// QUAD adds the products of quad i of the four tokens' codes with eight rows of weights w0, w1.
#define QUAD(i, w0, w1) \
	SDOTE4S(i, 28, w0, 0); \
	SDOTE4S(i, 28, w1, 1); \
	SDOTE4S(i, 29, w0, 2); \
	SDOTE4S(i, 29, w1, 3); \
	SDOTE4S(i, 30, w0, 4); \
	SDOTE4S(i, 30, w1, 5); \
	SDOTE4S(i, 31, w0, 6); \
	SDOTE4S(i, 31, w1, 7)

// func tileDotProd(args *tileArgs128)
TEXT ·tileDotProd(SB), 0, $136-8
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

	// invariant: V(2t), V(2t+1) = the group's products with token t before R1
step:
	VLD1.P 64(R1), [V8.B16, V9.B16, V10.B16, V11.B16]
	VLD1.P 64(R1), [V12.B16, V13.B16, V14.B16, V15.B16]
	VLD1.P 16(R4), [V28.B16]
	VLD1.P 16(R5), [V29.B16]
	VLD1.P 16(R6), [V30.B16]
	VLD1.P 16(R7), [V31.B16]
	QUAD(0, 8, 9)
	QUAD(1, 10, 11)
	QUAD(2, 12, 13)
	QUAD(3, 14, 15)
	SUBS   $1, R15
	BGT    step
	EPILOGUE(0, 1, 2, 3, 4, 5, 6, 7)
