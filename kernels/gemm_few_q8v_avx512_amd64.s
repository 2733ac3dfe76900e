//go:build !purego

#include "textflag.h"

#define SETUP MOVQ s+112(FP), R14

#define LOADB \
	PREFETCHT1 (R10);              \
	VPMOVSXBD  (CX), Z20;          \
	VPMOVSXBD  (CX)(R11*1), Z21;   \
	VPMOVSXBD  (CX)(R11*2), Z22;   \
	VPMOVSXBD  (CX)(BX*1), Z23;    \
	VCVTDQ2PS  Z20, Z20;           \
	VCVTDQ2PS  Z21, Z21;           \
	VCVTDQ2PS  Z22, Z22;           \
	VCVTDQ2PS  Z23, Z23;           \
	VMULPS.BCST (R14), Z20, Z20;     \
	VMULPS.BCST (R14), Z21, Z21;     \
	VMULPS.BCST 1024(R14), Z22, Z22; \
	VMULPS.BCST 1024(R14), Z23, Z23; \
	ADDQ       $4, R14

// func gemmFewQ8V512(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int, s *float32)
TEXT ·gemmFewQ8V512(SB), 0, $136-120
#include "gemm_few_avx512_amd64.h"
