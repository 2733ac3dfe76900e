//go:build !purego

#include "textflag.h"

// Y14 and Y15 are free whenever these run.
#define LOADB \
	VMOVUPS    (BX), Y14;            \
	VMOVUPS    32(BX), Y15;          \
	VMASKMOVPS (CX), Y14, Y12;       \
	VMASKMOVPS (CX)(R11*1), Y15, Y13

#define LOADC(c0, c1) \
	VMOVUPS    (BX), Y14;      \
	VMOVUPS    32(BX), Y15;    \
	VMASKMOVPS (DI), Y14, c0;  \
	VMASKMOVPS 32(DI), Y15, c1

#define STOREC(c0, c1) \
	VMOVUPS    (BX), Y14;      \
	VMOVUPS    32(BX), Y15;    \
	VMASKMOVPS c0, Y14, (DI);  \
	VMASKMOVPS c1, Y15, 32(DI)

// func gemmTileMask256(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, mask *int32, acc bool)
TEXT ·gemmTileMask256(SB), 0, $136-89
#include "gemm_tile_avx2_amd64.h"
