//go:build !purego

#include "textflag.h"

#define HALF 16
#define STEP

#define LOADB(b, i) VCVTPH2PS b, Y12

// func gemmFewHalf256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int)
TEXT ·gemmFewHalf256(SB), 0, $136-112
#include "gemm_few_avx2_amd64.h"
