//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

#define LOADB \
	VLD1 (R11), [V26.H8, V27.H8]; \
	FCVTL4S(26, 24); \
	FCVTL24S(26, 25); \
	FCVTL4S(27, 26); \
	FCVTL24S(27, 27)

#define FMAROW(a, c) \
	FMLAE4S(0, a, 24, (c)+0); \
	FMLAE4S(0, a, 25, (c)+1); \
	FMLAE4S(0, a, 26, (c)+2); \
	FMLAE4S(0, a, 27, (c)+3)

#define LOADC(c0, c1, c2, c3) VLD1 (R0), [c0.S4, c1.S4, c2.S4, c3.S4]
#define STOREC(c0, c1, c2, c3) VST1 [c0.S4, c1.S4, c2.S4, c3.S4], (R0)

// func gemmTileHalf128(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, m, k int, acc bool)
TEXT ·gemmTileHalf128(SB), 0, $136-73
#include "gemm_tile_neon_arm64.h"
