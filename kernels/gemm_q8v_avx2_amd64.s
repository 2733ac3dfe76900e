//go:build !purego

#include "textflag.h"

#define SETUP MOVQ s+96(FP), R14

#define LOADB \
	VPMOVSXBD (CX), Y12;          \
	VPMOVSXBD (CX)(R11*1), Y13;   \
	VCVTDQ2PS Y12, Y12;           \
	VCVTDQ2PS Y13, Y13;           \
	VBROADCASTSS (R14), Y15;      \
	ADDQ      $4, R14;            \
	VMULPS    Y15, Y12, Y12;      \
	VMULPS    Y15, Y13, Y13

#define LOADC(c0, c1) \
	VMOVUPS (DI), c0;  \
	VMOVUPS 32(DI), c1

#define STOREC(c0, c1) \
	VMOVUPS c0, (DI);  \
	VMOVUPS c1, 32(DI)

// func gemmTileQ8V256(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, mask *int32, acc bool, s *float32)
TEXT ·gemmTileQ8V256(SB), 0, $136-104
#include "gemm_tile_avx2_amd64.h"
