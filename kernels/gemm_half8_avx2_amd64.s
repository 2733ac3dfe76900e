//go:build !purego

#include "textflag.h"

// Eight columns: the second vector of a row exists in registers only.
#define LOADB \
	VCVTPH2PS (CX), Y12; \
	VMOVAPS   Y12, Y13

#define LOADC(c0, c1) \
	VMOVUPS (DI), c0

#define STOREC(c0, c1) \
	VMOVUPS c0, (DI)

// func gemmTileHalf8x256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask *int32, acc bool)
TEXT ·gemmTileHalf8x256(SB), 0, $136-89
#include "gemm_tile_avx2_amd64.h"
