//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The assembler knows neither PREFETCHW nor AMX, so these are bytes (VEX.128, map 0F38); t, c, a, b are tile registers.
#define PREFETCHW BYTE $0x0f; BYTE $0x0d; BYTE $0x0f // prefetchw (DI)
#define LDTILECFG BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // ldtilecfg (AX)
#define TILERELEASE BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0
#define LOADA(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x08 // tileloadd (AX)(CX*1), t
#define LOADB(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x13 // tileloadd (BX)(DX*1), t
#define ZERO(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $(0xc0+8*t) // tilezero t
#define TDPBSSD(c, a, b) BYTE $0xc4; BYTE $0xe2; BYTE $(0x7b-8*b); BYTE $0x5e; BYTE $(0xc0+8*c+a) // c += a*b
#define STORED(t, slot) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x84+8*t); BYTE $0x17; LONG $(1024*slot) // tilestored t, 1024*slot(DI)(DX*1)

// LOAD loads the tiles of a group and moves AX, BX on; CX = 32, DX = 64.
#define LOAD(a, b) \
	LOADA(a)             \
	LOADB(b)             \
	ADDQ $512, AX        \
	ADDQ $512, BX

// KEEP stores the sums of a group and clears their tile at once: a product that follows its tilezero closely waits for it.
#define KEEP(t, slot) \
	STORED(t, slot)      \
	ZERO(t)

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

// QUARTER1 ... QUARTER4 do op for four tokens each; lo and hi point at the entries of tokens 0 and 8.
#define QUARTER1(op, lo, slot) \
	op(0, (lo), Z0, slot)               \
	op(1, (lo)(R12*1), Z1, slot)        \
	op(2, (lo)(R12*2), Z2, slot)        \
	op(3, (lo)(R13*1), Z3, slot)
#define QUARTER2(op, lo, slot) \
	op(4, (lo)(R12*4), Z4, slot)        \
	op(5, (lo)(R14*1), Z5, slot)        \
	op(6, (lo)(R13*2), Z6, slot)        \
	op(7, (lo)(R15*1), Z7, slot)
#define QUARTER3(op, hi, slot) \
	op(8, (hi), Z8, slot)               \
	op(9, (hi)(R12*1), Z9, slot)        \
	op(10, (hi)(R12*2), Z10, slot)      \
	op(11, (hi)(R13*1), Z11, slot)
#define QUARTER4(op, hi, slot) \
	op(12, (hi)(R12*4), Z12, slot)      \
	op(13, (hi)(R14*1), Z13, slot)      \
	op(14, (hi)(R13*2), Z14, slot)      \
	op(15, (hi)(R15*1), Z15, slot)
#define EACH(op, lo, hi, slot) \
	QUARTER1(op, lo, slot)              \
	QUARTER2(op, lo, slot)              \
	QUARTER3(op, hi, slot)              \
	QUARTER4(op, hi, slot)

// GROUP continues the chains by the group whose sums are in slot and moves on. Spread between: the sums of the next
// group, in tile done, go to slot to; the product of tiles a and b, three groups ahead, starts in tile c; and the tiles
// a2 and b2 of the group after that are loaded. DX is 64 again at the end.
#define GROUP(slot, done, to, c, a, b, a2, b2, next) \
	VMOVUPS (R8), Z24                   \
	KEEP(done, to)                      \
	QUARTER1(ADD, R11, slot)            \
	QUARTER2(ADD, R11, slot)            \
	TDPBSSD(c, a, b)                    \
	QUARTER3(ADD, R10, slot)            \
	LOAD(a2, b2)                        \
	QUARTER4(ADD, R10, slot)            \
	CMPQ minTokens-24(SP), $0           \
	JEQ  next                           \
	MOVQ m-56(SP), DX                   \
	ADDQ $128, m-56(SP)                 \
	VMOVUPS (DX), Z24                   \
	EACH(ADDMIN, SI, R9, slot)          \
	MOVQ $64, DX                        \
	ADDQ $4, SI                         \
	ADDQ $4, R9                         \
next:                                   \
	ADDQ $4, R11                        \
	ADDQ $4, R10                        \
	ADDQ $128, R8                       \
	DECQ groups-40(SP)                  \
	JEQ  end

// func gemmInt8AMX(p *amxArgs)
//
// As gemmInt8xN of gemm_int8_avx512_amd64.s for blocks of 16 tokens, with codes kept signed: the integer sums of a
// group are one product of tiles of K = 32.
//
//	AX activations, CX 32 · BX weights, DX 64 · DI sums of groups, 4 slots of [16 tokens, 16 rows] · R8 s
//	R11, R10 d of tokens 0 and 8 · SI, R9 sx of tokens 0 and 8 · R12-R15 strides of 1, 3, 5, 7 tokens in d and sx
//	Z0-Z15 results of 16 tokens
TEXT ·gemmInt8AMX(SB), 0, $136-8
	MOVQ p+0(FP), R8
	MOVQ amxArgs_config(R8), AX
	LDTILECFG
	MOVQ amxArgs_minTokens(R8), AX
	MOVQ AX, minTokens-24(SP)
	MOVQ $0, block-64(SP)

	// Invariant: blocks of tokens before this one are stored.
block:
	MOVQ $0, panel-32(SP)

	// Invariant: panels before this one are stored for these tokens.
panel:
	MOVQ p+0(FP), R8
	MOVQ amxArgs_ldd(R8), R12
	MOVQ R12, DI
	SHLQ $4, DI
	IMULQ block-64(SP), DI
	MOVQ panel-32(SP), DX
	SHLQ $6, DX
	ADDQ DX, DI
	ADDQ amxArgs_dst(R8), DI
	MOVQ $16, CX

	// Invariant: the lines of CX tokens from DI on, that STORE will write, are still to be asked for.
fetch:
	PREFETCHW
	ADDQ R12, DI
	DECQ CX
	JNZ  fetch

	MOVQ amxArgs_groups(R8), AX
	MOVQ AX, groups-40(SP)
	MOVQ panel-32(SP), DX
	MOVQ DX, DI
	SHLQ $6, DI
	MOVQ amxArgs_m(R8), AX
	ADDQ DI, AX
	MOVQ AX, m-56(SP)
	MOVQ amxArgs_k(R8), R12
	MOVQ R12, BX
	SHLQ $4, BX
	MOVQ BX, AX
	IMULQ block-64(SP), AX
	MOVQ AX, CX
	SHRQ $3, CX // 2 K bytes of d a block
	IMULQ DX, BX
	ADDQ amxArgs_w(R8), BX
	ADDQ amxArgs_q(R8), AX
	SHRQ $3, R12
	LEAQ (R12)(R12*2), R13
	LEAQ (R12)(R12*4), R14
	LEAQ (R13)(R12*4), R15
	MOVQ amxArgs_d(R8), R11
	ADDQ CX, R11
	LEAQ (R11)(R12*8), R10
	MOVQ amxArgs_sx(R8), SI
	ADDQ CX, SI
	LEAQ (SI)(R12*8), R9
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

	MOVQ $32, CX
	MOVQ $64, DX
	ZERO(4)
	ZERO(5)
	ZERO(6)
	ZERO(7)
	LOAD(0, 2)
	TDPBSSD(4, 0, 2)
	LOAD(1, 3)
	TDPBSSD(5, 1, 3)
	LOAD(0, 2)
	TDPBSSD(6, 0, 2)
	LOAD(1, 3)
	KEEP(4, 0)

	// Invariant: Z0-Z15 hold the chains of all groups before the one at R8, R9-R11, SI. Its sums are in slot 0, the
	// products of the next two are in tiles 5 and 6, the third group is in tiles 1 and 3, AX and BX are at the fourth.
	// Surplus groups are read from the slack, unused.
group:
	GROUP(0, 5, 1, 7, 1, 3, 0, 2, next0)
	GROUP(1, 6, 2, 4, 0, 2, 1, 3, next1)
	GROUP(2, 7, 3, 5, 1, 3, 0, 2, next2)
	GROUP(3, 4, 0, 6, 0, 2, 1, 3, next3)
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
	MOVQ  R12, DX
	SHLQ  $4, DX
	IMULQ block-64(SP), DX
	ADDQ  DX, DI
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
	MOVQ block-64(SP), AX
	INCQ AX
	MOVQ AX, block-64(SP)
	CMPQ AX, amxArgs_blocks(R8)
	JLT  block
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
