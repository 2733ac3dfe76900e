//go:build !purego

#include "textflag.h"

// func gemmTile512(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, mask uint32, acc bool)
#define LOADB \
	VMOVUPS.Z (CX), K1, Z28;       \
	VMOVUPS.Z (CX)(R11*1), K2, Z29

#define LOADALL \
	VMOVUPS (CX), Z28;       \
	VMOVUPS (CX)(R11*1), Z29

TEXT ·gemmTile512(SB), 0, $136-85
#include "gemm_tile_avx512_amd64.h"
