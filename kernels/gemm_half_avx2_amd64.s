//go:build !purego

#include "textflag.h"

#define LOADB \
	VCVTPH2PS (CX), Y12;       \
	VCVTPH2PS (CX)(R11*1), Y13

#define LOADC(c0, c1) \
	VMOVUPS (DI), c0;  \
	VMOVUPS 32(DI), c1

#define STOREC(c0, c1) \
	VMOVUPS c0, (DI);  \
	VMOVUPS c1, 32(DI)

// func gemmTileHalf256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask *int32, acc bool)
TEXT ·gemmTileHalf256(SB), 0, $136-89
#include "gemm_tile_avx2_amd64.h"
