//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func peakReadNEON(p *byte, n int)
TEXT ·peakReadNEON(SB), 0, $136-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1

	// invariant: R1 > 0 bytes from R0 on are left
loop:
	PRFM   4096(R0), PLDL1KEEP
	PRFM   4160(R0), PLDL1KEEP
	PRFM   4224(R0), PLDL1KEEP
	PRFM   4288(R0), PLDL1KEEP
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]
	VLD1.P 64(R0), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R0), [V20.B16, V21.B16, V22.B16, V23.B16]
	SUBS   $256, R1
	BGT    loop
	RET

// CHAINS is one step of 16 independent chains; V16 and V17 are factors of zero.
#define CHAINS(OP) \
	OP(16, 17, 0); \
	OP(16, 17, 1); \
	OP(16, 17, 2); \
	OP(16, 17, 3); \
	OP(16, 17, 4); \
	OP(16, 17, 5); \
	OP(16, 17, 6); \
	OP(16, 17, 7); \
	OP(16, 17, 8); \
	OP(16, 17, 9); \
	OP(16, 17, 10); \
	OP(16, 17, 11); \
	OP(16, 17, 12); \
	OP(16, 17, 13); \
	OP(16, 17, 14); \
	OP(16, 17, 15)

// ZEROS clears the factors and the chains; a denormal left in one could slow its chain down.
#define ZEROS \
	VMOVI $0, V16.B16; \
	VMOVI $0, V17.B16; \
	CHAINS(AND16B)

// func peakF32NEON(iterations int)
TEXT ·peakF32NEON(SB), 0, $136-8
	MOVD iterations+0(FP), R0
	ZEROS

loop:
	CHAINS(FMLA4S)
	SUBS $1, R0
	BGT  loop
	RET

// func peakInt8DotProd(iterations int)
TEXT ·peakInt8DotProd(SB), 0, $136-8
	MOVD iterations+0(FP), R0
	ZEROS

loop:
	CHAINS(SDOT4S)
	SUBS $1, R0
	BGT  loop
	RET

// func peakInt8I8MM(iterations int)
TEXT ·peakInt8I8MM(SB), 0, $136-8
	MOVD iterations+0(FP), R0
	ZEROS

loop:
	CHAINS(SMMLA4S)
	SUBS $1, R0
	BGT  loop
	RET
