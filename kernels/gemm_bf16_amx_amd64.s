//go:build !purego

#include "textflag.h"

// Bytes as in gemm_int8_amx_amd64.s; t, c, a, b are tile registers.
#define LDTILECFG BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // ldtilecfg (AX)
#define TILERELEASE BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0
#define ZERO(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $(0xc0+8*t) // tilezero t
#define LOADA(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x08 // tileloadd (AX)(CX*1), t
#define LOADB(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x13 // tileloadd (BX)(DX*1), t
#define LOADC(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x37 // tileloadd (DI)(SI*1), t
#define STOREC(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x37 // tilestored t, (DI)(SI*1)
#define TDPBF16PS(c, a, b) BYTE $0xc4; BYTE $0xe2; BYTE $(0x7a-8*b); BYTE $0x5c; BYTE $(0xc0+8*c+a) // c += a*b

#define PREFETCHW BYTE $0x0f; BYTE $0x0d; BYTE $0x0b // prefetchw (BX)
#define PREFETCHW64 BYTE $0x0f; BYTE $0x0d; BYTE $0x4b; BYTE $0x40 // prefetchw 64(BX)

// AHEAD asks for the two lines of a row of the next block of C, at BX, for writing.
#define AHEAD    \
	PREFETCHW;   \
	PREFETCHW64; \
	ADDQ SI, BX

// CTILES does op for the two tiles of a block of C.
#define CTILES(op) \
	op(2)          \
	ADDQ $64, DI   \
	op(3)          \
	SUBQ $64, DI

// func gemmBF16Tiles(config *tileConfig, c *float32, ldc int, a *uint16, lda int, b *uint16, blocks, steps int, acc bool)
//
// A block is one tile of A by two of B with one tile for B's halves in turn: four tiles in all. Two by two, with all
// eight, half the loads would do, but the fewer tiles hold something, the more loads and products overlap here
// (bench/LOG.md).
//
//	AX A, CX its stride · BX B, DX 128 · DI C, SI its stride · R8, R9 A and B of the block · R10, R11 16 rows of A, of C
//	R13 blocks left · R15 steps left
//	tiles 0 A · 1 B's halves in turn · 2, 3 C
TEXT ·gemmBF16Tiles(SB), 0, $136-65
	MOVQ config+0(FP), AX
	LDTILECFG
	MOVQ c+8(FP), DI
	MOVQ ldc+16(FP), SI
	MOVQ a+24(FP), R8
	MOVQ lda+32(FP), CX
	MOVQ b+40(FP), R9
	MOVQ blocks+48(FP), R13
	MOVQ $128, DX
	MOVQ CX, R10
	SHLQ $4, R10
	MOVQ SI, R11
	SHLQ $4, R11

	// invariant: the blocks before this one are stored. The lines of C come from memory while the block before is computed.
block:
	LEAQ (DI)(R11*1), BX
	CMPQ R13, $1
	JE   asked
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD
	AHEAD

asked:
	MOVQ R8, AX
	MOVQ R9, BX
	MOVQ steps+56(FP), R15
	CMPB acc+64(FP), $0
	JEQ  zero
	CTILES(LOADC)
	JMP  step

zero:
	ZERO(2)
	ZERO(3)

	// invariant: tiles 2 and 3 hold the sums over all steps but the last R15
step:
	LOADA(0)
	LOADB(1)
	TDPBF16PS(2, 0, 1)
	ADDQ $64, BX
	LOADB(1)
	TDPBF16PS(3, 0, 1)
	ADDQ $64, AX
	ADDQ $1984, BX
	DECQ R15
	JNE  step

	CTILES(STOREC)
	ADDQ R11, DI
	ADDQ R10, R8
	DECQ R13
	JNE  block
	TILERELEASE
	RET
