//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

#define LOADB \
	VLD1 (R11), [V25.H8]; \
	FCVTL4S(25, 24); \
	FCVTL24S(25, 25)

#define FMAROW(a, c) \
	FMLAE4S(0, a, 24, (c)+0); \
	FMLAE4S(0, a, 25, (c)+1)

#define LOADC(c0, c1, c2, c3) VLD1 (R0), [c0.S4, c1.S4]
#define STOREC(c0, c1, c2, c3) VST1 [c0.S4, c1.S4], (R0)

// func gemmTileHalf8x128(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, m, k int, acc bool)
TEXT ·gemmTileHalf8x128(SB), 0, $136-73
#include "gemm_tile_neon_arm64.h"
