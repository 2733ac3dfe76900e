//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The assembler knows no AMX, so these are bytes (VEX.128, map 0F38); t, c, a, b are tile registers.
#define LDTILECFG BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // ldtilecfg (AX)
#define TILERELEASE BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0
#define LOADA(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x08 // tileloadd (AX)(CX*1), t
#define LOADB(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x13 // tileloadd (BX)(DX*1), t
#define ZERO(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $(0xc0+8*t) // tilezero t
#define TDPBSSD(c, a, b) BYTE $0xc4; BYTE $0xe2; BYTE $(0x7b-8*b); BYTE $0x5e; BYTE $(0xc0+8*c+a) // c += a*b
#define STORED(t, slot) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x84+8*t); BYTE $0x17; LONG $(1024*slot) // tilestored t, 1024*slot(DI)(DX*1)

// MULTIPLY starts the product of the next group into c and moves AX, BX on; DX = 64.
#define MULTIPLY(c, a, b) \
	LOADA(a)             \
	LOADB(b)             \
	ZERO(c)              \
	TDPBSSD(c, a, b)     \
	ADDQ $32, AX         \
	ADDQ $512, BX

// ADD continues the chains of token i by a group: acc = fma(float32(isum), s*d, acc); addr = d.
#define ADD(i, addr, acc, slot) \
	VCVTDQ2PS   (1024*slot+64*i)(DI), Z16  \
	VMULPS.BCST addr, Z24, Z17   \
	VFMADD231PS Z17, Z16, acc

// ADDMIN: acc = fma(m, sx, acc); addr = sx.
#define ADDMIN(i, addr, acc, slot) \
	VFMADD231PS.BCST addr, Z24, acc

#define STORE(i, addr, acc, slot) \
	VMOVUPS acc, K1, addr

// EACH does op for every token; lo and hi point at the entries of tokens 0 and 8.
#define EACH(op, lo, hi, slot) \
	op(0, (lo), Z0, slot)               \
	op(1, (lo)(R12*1), Z1, slot)        \
	op(2, (lo)(R12*2), Z2, slot)        \
	op(3, (lo)(R13*1), Z3, slot)        \
	op(4, (lo)(R12*4), Z4, slot)        \
	op(5, (lo)(R14*1), Z5, slot)        \
	op(6, (lo)(R13*2), Z6, slot)        \
	op(7, (lo)(R15*1), Z7, slot)        \
	op(8, (hi), Z8, slot)               \
	op(9, (hi)(R12*1), Z9, slot)        \
	op(10, (hi)(R12*2), Z10, slot)      \
	op(11, (hi)(R13*1), Z11, slot)      \
	op(12, (hi)(R12*4), Z12, slot)      \
	op(13, (hi)(R14*1), Z13, slot)      \
	op(14, (hi)(R13*2), Z14, slot)      \
	op(15, (hi)(R15*1), Z15, slot)

// GROUP continues the chains by the group whose sums are in slot and moves on; DX is free, and 64 again at the end.
#define GROUP(slot, next)                \
	VMOVUPS (R8), Z24                   \
	EACH(ADD, R11, R10, slot)           \
	CMPQ minTokens-24(SP), $0           \
	JEQ  next                           \
	MOVQ m-56(SP), DX                   \
	ADDQ $128, m-56(SP)                 \
	VMOVUPS (DX), Z24                   \
	EACH(ADDMIN, SI, R9, slot)          \
	ADDQ $4, SI                         \
	ADDQ $4, R9                         \
next:                                   \
	ADDQ $4, R11                        \
	ADDQ $4, R10                        \
	MOVQ $64, DX                        \
	ADDQ $128, R8                       \
	DECQ groups-40(SP)                  \
	JEQ  end

// func gemmInt8AMX(p *amxArgs)
//
// As gemmInt8xN of gemm_int8_avx512_amd64.s for 16 tokens, with codes kept signed: the integer sums of a group are one
// product of tiles of K = 32.
//
//	AX activations, CX their stride · BX weights, DX 64 · DI sums of groups, 4 slots of [16 tokens, 16 rows] · R8 s
//	R11, R10 d of tokens 0 and 8 · SI, R9 sx of tokens 0 and 8 · R12-R15 strides of 1, 3, 5, 7 tokens in d and sx
//	Z0-Z15 results of 16 tokens
TEXT ·gemmInt8AMX(SB), 0, $136-8
	MOVQ p+0(FP), R8
	MOVQ amxArgs_config(R8), AX
	LDTILECFG
	MOVQ amxArgs_minTokens(R8), AX
	MOVQ AX, minTokens-24(SP)
	MOVQ $0, panel-32(SP)

	// Invariant: panels before this one are stored.
panel:
	MOVQ p+0(FP), R8
	MOVQ amxArgs_groups(R8), AX
	MOVQ AX, groups-40(SP)
	MOVQ panel-32(SP), DX
	MOVQ DX, DI
	SHLQ $6, DI
	MOVQ amxArgs_m(R8), AX
	ADDQ DI, AX
	MOVQ AX, m-56(SP)
	MOVQ amxArgs_k(R8), CX
	MOVQ CX, BX
	SHLQ $4, BX
	IMULQ DX, BX
	ADDQ amxArgs_w(R8), BX
	MOVQ CX, R12
	SHRQ $3, R12
	LEAQ (R12)(R12*2), R13
	LEAQ (R12)(R12*4), R14
	LEAQ (R13)(R12*4), R15
	MOVQ amxArgs_d(R8), R11
	LEAQ (R11)(R12*8), R10
	MOVQ amxArgs_sx(R8), SI
	LEAQ (SI)(R12*8), R9
	MOVQ amxArgs_q(R8), AX
	MOVQ amxArgs_s(R8), DX
	ADDQ DI, DX
	MOVQ amxArgs_sums(R8), DI
	MOVQ DX, R8
	VPXORD Z0, Z0, Z0
	VMOVDQA64 Z0, Z1
	VMOVDQA64 Z0, Z2
	VMOVDQA64 Z0, Z3
	VMOVDQA64 Z0, Z4
	VMOVDQA64 Z0, Z5
	VMOVDQA64 Z0, Z6
	VMOVDQA64 Z0, Z7
	VMOVDQA64 Z0, Z8
	VMOVDQA64 Z0, Z9
	VMOVDQA64 Z0, Z10
	VMOVDQA64 Z0, Z11
	VMOVDQA64 Z0, Z12
	VMOVDQA64 Z0, Z13
	VMOVDQA64 Z0, Z14
	VMOVDQA64 Z0, Z15

	MOVQ $64, DX
	MULTIPLY(4, 0, 2)
	MULTIPLY(5, 1, 3)
	MULTIPLY(6, 0, 2)
	STORED(4, 0)

	// Invariant: Z0-Z15 hold the chains of all groups before the one at R8, R9-R11, SI. Its sums are in slot 0, the
	// next two groups are in tiles 5 and 6, AX and BX are at the third. Surplus groups are read from the slack, unused.
group:
	MULTIPLY(7, 1, 3)
	STORED(5, 1)
	GROUP(0, next0)
	MULTIPLY(4, 0, 2)
	STORED(6, 2)
	GROUP(1, next1)
	MULTIPLY(5, 1, 3)
	STORED(7, 3)
	GROUP(2, next2)
	MULTIPLY(6, 0, 2)
	STORED(4, 0)
	GROUP(3, next3)
	JMP  group

end:
	MOVQ  p+0(FP), R8
	MOVQ  amxArgs_mask(R8), AX
	MOVQ  panel-32(SP), CX
	SHLQ  $4, CX
	SHRQ  CX, AX
	KMOVW AX, K1
	MOVQ  amxArgs_dst(R8), DI
	LEAQ  (DI)(CX*4), DI
	MOVQ  amxArgs_ldd(R8), R12
	LEAQ  (R12)(R12*2), R13
	LEAQ  (R12)(R12*4), R14
	LEAQ  (R13)(R12*4), R15
	LEAQ  (DI)(R12*8), R10
	EACH(STORE, DI, R10, 0)
	MOVQ panel-32(SP), AX
	INCQ AX
	MOVQ AX, panel-32(SP)
	CMPQ AX, amxArgs_panels(R8)
	JLT  panel
	TILERELEASE
	VZEROUPPER
	RET

// func flipCodesAVX512(w *byte, n int)
//
//	for i := range n { w[i] ^= 0x80 }
//
// n is a positive multiple of 64.
TEXT ·flipCodesAVX512(SB), 0, $136-16
	MOVQ         w+0(FP), DI
	MOVQ         n+8(FP), CX
	MOVL         $0x80808080, AX
	VPBROADCASTD AX, Z0

	// Invariant: CX bytes from DI on are left.
flip:
	VPXORD    (DI), Z0, Z1
	VMOVDQU32 Z1, (DI)
	ADDQ      $64, DI
	SUBQ      $64, CX
	JG        flip
	VZEROUPPER
	RET

// func xgetbv0() uint32
TEXT ·xgetbv0(SB), 0, $136-4
	XORL CX, CX
	XGETBV
	MOVL AX, ret+0(FP)
	VZEROUPPER
	RET
