//go:build !purego

#include "textflag.h"

#define SETUP MOVQ s+88(FP), R14

#define LOADB \
	VPMOVSXBD.Z  (CX), K1, Z28;        \
	VPMOVSXBD.Z  (CX)(R11*1), K2, Z29; \
	VBROADCASTSS (R14), Z31;           \
	VCVTDQ2PS    Z28, Z28;             \
	VCVTDQ2PS    Z29, Z29;             \
	ADDQ         $4, R14;              \
	VMULPS       Z31, Z28, Z28;        \
	VMULPS       Z31, Z29, Z29

// func gemmTileQ8V512(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, mask uint32, acc bool, s *float32)
TEXT ·gemmTileQ8V512(SB), 0, $136-96
#include "gemm_tile_avx512_amd64.h"
