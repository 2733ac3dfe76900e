//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

#define SETUP MOVD s+80(FP), R2

#define LOADB \
	VLD1    (R11), [V27.B16]; \
	SXTL8H(27, 25); \
	SXTL28H(27, 27); \
	SXTL4S(25, 24); \
	SXTL24S(25, 25); \
	SXTL4S(27, 26); \
	SXTL24S(27, 27); \
	SCVTF4S(24, 24); \
	SCVTF4S(25, 25); \
	SCVTF4S(26, 26); \
	SCVTF4S(27, 27); \
	FMOVS.P 4(R2), F28; \
	FMULE4S(0, 28, 24, 24); \
	FMULE4S(0, 28, 25, 25); \
	FMULE4S(0, 28, 26, 26); \
	FMULE4S(0, 28, 27, 27)

#define FMAROW(a, c) \
	FMLAE4S(0, a, 24, (c)+0); \
	FMLAE4S(0, a, 25, (c)+1); \
	FMLAE4S(0, a, 26, (c)+2); \
	FMLAE4S(0, a, 27, (c)+3)

#define LOADC(c0, c1, c2, c3) VLD1 (R0), [c0.S4, c1.S4, c2.S4, c3.S4]
#define STOREC(c0, c1, c2, c3) VST1 [c0.S4, c1.S4, c2.S4, c3.S4], (R0)

// func gemmTileQ8V128(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, m, k int, acc bool, s *float32)
TEXT ·gemmTileQ8V128(SB), 0, $136-88
#include "gemm_tile_neon_arm64.h"
