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

// CTILES does op for the four tiles of a block of C.
#define CTILES(op) \
	op(4)          \
	ADDQ $64, DI   \
	op(5)          \
	ADDQ R11, DI   \
	op(6)          \
	ADDQ $64, DI   \
	op(7)          \
	SUBQ $64, DI   \
	SUBQ R12, DI

// func gemmBF16Tiles(config *tileConfig, c *float32, ldc int, a *uint16, lda int, b *uint16, blocks, second, steps int, acc bool)
//
//	AX A, CX its stride · BX B, DX 128 · DI C, SI its stride · R8, R9 A and B of the block · R10 from a block's first half
//	of A to its second · R12 16 rows of C, R11 = R12-64 · R13 blocks left · R15 steps left
//	tiles 0, 1 A's halves · 2, 3 B's halves · 4-7 C
TEXT ·gemmBF16Tiles(SB), 0, $136-73
	MOVQ config+0(FP), AX
	LDTILECFG
	MOVQ c+8(FP), DI
	MOVQ ldc+16(FP), SI
	MOVQ a+24(FP), R8
	MOVQ lda+32(FP), CX
	MOVQ b+40(FP), R9
	MOVQ blocks+48(FP), R13
	MOVQ second+56(FP), R10
	IMULQ CX, R10
	MOVQ $128, DX
	MOVQ SI, R12
	SHLQ $4, R12
	LEAQ -64(R12), R11

	// invariant: the blocks before this one are stored
block:
	MOVQ R8, AX
	MOVQ R9, BX
	MOVQ steps+64(FP), R15
	CMPB acc+72(FP), $0
	JEQ  zero
	CTILES(LOADC)
	JMP  step

zero:
	ZERO(4)
	ZERO(5)
	ZERO(6)
	ZERO(7)

	// invariant: tiles 4-7 hold the sums over all steps but the last R15
step:
	LOADA(0)
	LOADB(2)
	TDPBF16PS(4, 0, 2)
	ADDQ $64, BX
	LOADB(3)
	TDPBF16PS(5, 0, 3)
	ADDQ R10, AX
	LOADA(1)
	TDPBF16PS(6, 1, 2)
	TDPBF16PS(7, 1, 3)
	SUBQ R10, AX
	ADDQ $64, AX
	ADDQ $1984, BX
	DECQ R15
	JNE  step

	CTILES(STOREC)
	LEAQ (DI)(R12*2), DI
	MOVQ CX, AX
	SHLQ $5, AX
	ADDQ AX, R8
	DECQ R13
	JNE  block
	TILERELEASE
	RET
