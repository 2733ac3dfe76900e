//go:build !purego

#include "textflag.h"

// ROUND: 16 floats of x to bf16 in the low halves of its lanes: nearest even, NaN to 0x7fc0; Z29 = 1, Z30 = 0x7fff,
// Z31 = 0x7fc0.
#define ROUND(x, t) \
	VCMPPS  $3, x, x, K3;   \
	VPSRLD  $16, x, t;      \
	VPANDD  Z29, t, t;      \
	VPADDD  Z30, t, t;      \
	VPADDD  t, x, x;        \
	VPSRLD  $16, x, x;      \
	VMOVDQA32 Z31, K3, x

#define CONSTANTS \
	MOVL $1, AX;            \
	VPBROADCASTD AX, Z29;   \
	MOVL $0x7fff, AX;       \
	VPBROADCASTD AX, Z30;   \
	MOVL $0x7fc0, AX;       \
	VPBROADCASTD AX, Z31

// TAIL: K1 = the CX < 16 elements left.
#define TAIL \
	MOVL  $1, AX;  \
	SHLL  CX, AX;  \
	DECL  AX;      \
	KMOVW AX, K1

// func bf16Row512(dst *uint16, src *float32, n int)
//
// DI dst, SI src, CX elements left
TEXT ·bf16Row512(SB), 0, $136-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	CONSTANTS

	// invariant: all but the last CX are stored
row:
	CMPQ CX, $16
	JLT  rowtail
	VMOVUPS (SI), Z0
	ROUND(Z0, Z1)
	VPMOVDW Z0, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JMP  row

rowtail:
	TAIL
	VMOVUPS.Z (SI), K1, Z0
	ROUND(Z0, Z1)
	VPMOVDW Z0, K1, (DI)
	VZEROUPPER
	RET

// func bf16Pairs512(dst *uint16, even, odd *float32, n int)
//
// DI dst, SI even, DX odd, CX elements left
TEXT ·bf16Pairs512(SB), 0, $136-32
	MOVQ dst+0(FP), DI
	MOVQ even+8(FP), SI
	MOVQ odd+16(FP), DX
	MOVQ n+24(FP), CX
	CONSTANTS

	// invariant: all but the last CX are stored
pairs:
	CMPQ CX, $16
	JLT  pairstail
	VMOVUPS (SI), Z0
	VMOVUPS (DX), Z2
	ROUND(Z0, Z1)
	ROUND(Z2, Z3)
	VPSLLD $16, Z2, Z2
	VPORD  Z0, Z2, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  pairs

pairstail:
	TAIL
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z (DX), K1, Z2
	ROUND(Z0, Z1)
	ROUND(Z2, Z3)
	VPSLLD $16, Z2, Z2
	VPORD  Z0, Z2, Z0
	VMOVUPS Z0, K1, (DI)
	VZEROUPPER
	RET
