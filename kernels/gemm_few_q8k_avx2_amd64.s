//go:build !purego

#include "textflag.h"

#define SETUP MOVQ s+112(FP), R14
#define HALF 8
#define STEP

#define LOADB(b, i) \
	VPMOVSXBD b, Y12;              \
	VCVTDQ2PS Y12, Y12;            \
	VMULPS    (32*i)(R14), Y12, Y12

// func gemmFewQ8K256(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int, s *float32)
TEXT ·gemmFewQ8K256(SB), 0, $136-120
#include "gemm_few_avx2_amd64.h"
