//go:build !purego

#include "textflag.h"

// The assembler knows no VDPBF16PS (EVEX.512.F3.0F38.W0 52): c += pairs of Z30 times pairs of b, b = 28 or 29.
#define VDPBF16PS(b, c) BYTE $0x62; BYTE $(0x02+0x80*(1-((c>>3)&1))+0x10*(1-((c>>4)&1))); BYTE $0x0e; BYTE $0x40; BYTE $0x52; BYTE $(0xc0+8*(c&7)+(b&7))

// func gemmBF16Tile512(c *float32, ldc int, a *uint16, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask uint32, acc bool)
#define LOADB \
	VMOVUPS.Z (CX), K1, Z28;       \
	VMOVUPS.Z (CX)(R11*1), K2, Z29

#define LOADALL \
	VMOVUPS (CX), Z28;       \
	VMOVUPS (CX)(R11*1), Z29

#define FMAROW(i, addr, c0, c1) \
	VPBROADCASTD addr, Z30; \
	VDPBF16PS(28, (2*i)); \
	VDPBF16PS(29, (2*i+1))

TEXT ·gemmBF16Tile512(SB), 0, $136-85
#include "gemm_tile_avx512_amd64.h"
