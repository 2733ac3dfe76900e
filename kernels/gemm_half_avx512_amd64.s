//go:build !purego

#include "textflag.h"

// func gemmTileHalf512(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask uint32, acc bool)
#define LOADB \
	VCVTPH2PS.Z (CX), K1, Z28;       \
	VCVTPH2PS.Z (CX)(R11*1), K2, Z29

TEXT ·gemmTileHalf512(SB), 0, $136-85
#include "gemm_tile_avx512_amd64.h"
