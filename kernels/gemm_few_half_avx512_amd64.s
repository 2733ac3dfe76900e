//go:build !purego

#include "textflag.h"

#define LOADB \
	PREFETCHT1 (R10);              \
	PREFETCHT1 64(R10);            \
	VCVTPH2PS  (CX), Z20;          \
	VCVTPH2PS  (CX)(R11*1), Z21;   \
	VCVTPH2PS  (CX)(R11*2), Z22;   \
	VCVTPH2PS  (CX)(BX*1), Z23

// func gemmFewHalf512(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int)
TEXT ·gemmFewHalf512(SB), 0, $136-112
#include "gemm_few_avx512_amd64.h"
