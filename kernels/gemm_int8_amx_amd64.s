//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The assembler knows neither PREFETCHW nor AMX, so these are bytes (VEX.128, map 0F38); t, c, a, b are tile registers.
#define PREFETCHW BYTE $0x0f; BYTE $0x0d; BYTE $0x0a // prefetchw (DX)
#define LDTILECFG BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // ldtilecfg (AX)
#define TILERELEASE BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0
#define LOADA(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x10 // tileloadd (AX)(DX*1), t
#define LOADB(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x53 // tileloadd (BX)(DX*2), t
#define ZERO(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $(0xc0+8*t) // tilezero t
#define TDPBSSD(c, a, b) BYTE $0xc4; BYTE $0xe2; BYTE $(0x7b-8*b); BYTE $0x5e; BYTE $(0xc0+8*c+a) // c += a*b
#define STORED(t, slot) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x84+8*t); BYTE $0x57; LONG $(1024*slot) // tilestored t, 1024*slot(DI)(DX*2)

// LOAD loads the tiles of a group and moves AX, BX on; DX = 32. Even groups are in tiles 0 and 2. The activations of two
// groups of 16 lie side by side: WEIGHTS is 32 or 16, EVEN and ODD are the steps of AX behind such groups, STEP that of
// d behind even ones.
#define LOAD(a, b) \
	LOADA(a)                              \
	LOADB(b)                              \
	ADDQ $(EVEN+(ODD-EVEN)*a), AX         \
	ADDQ $(16*WEIGHTS), BX

// KEEP stores the sums of a group and clears their tile at once: a product that follows its tilezero closely waits for it.
#define KEEP(t, slot) \
	STORED(t, slot)      \
	ZERO(t)

// PRODUCT starts c += a*b and clears a and b: where another thread shares the core, loads of tiles seem to wait for registers,
// which a tilezero sets free (measured: 8 % of the loop there, nothing alone).
#define PRODUCT(c, a, b) \
	TDPBSSD(c, a, b)     \
	ZERO(a)              \
	ZERO(b)

// ADD continues the chains of token i by a group: acc = fma(float32(isum), s*d, acc); addr = d. ADDSUM does the same: |isum| < 2^22, so
// that its sum with the bits of 1.5*2^23, Z25, is those of 1.5*2^23 + isum. Beside tiles conversions and products find one port, sums two;
// but a sum more is an instruction more, which counts where another thread shares the core. So each does half, and where a minimum is
// one product more, sums do all (measured: bench/LOG.md 2026-11-23).
#define ADD(i, addr, acc, slot) \
	VCVTDQ2PS   (1024*slot+64*i)(DI), Z16  \
	VMULPS.BCST addr, Z24, Z17   \
	VFMADD231PS Z17, Z16, acc

#define ADDSUM(i, addr, acc, slot) \
	VPADDD      (1024*slot+64*i)(DI), Z25, Z16 \
	VSUBPS      Z25, Z16, Z16    \
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

// RESULTS: R11, R10 = the results of tokens 0 and 8 of the chains' block and panel, R12-R15 their strides, K1 the rows that are stored.
#define RESULTS \
	MOVQ  p+0(FP), R8           \
	MOVQ  amxArgs_mask(R8), R12 \
	MOVQ  panel-32(SP), DX      \
	SHLQ  $4, DX                \
	SHRXQ DX, R12, R12          \
	KMOVW R12, K1               \
	MOVQ  amxArgs_ldd(R8), R12  \
	MOVQ  R12, R11              \
	SHLQ  $4, R11               \
	IMULQ block-64(SP), R11     \
	ADDQ  amxArgs_dst(R8), R11  \
	LEAQ  (R11)(DX*4), R11      \
	LEAQ  (R12)(R12*2), R13     \
	LEAQ  (R12)(R12*4), R14     \
	LEAQ  (R13)(R12*4), R15     \
	LEAQ  (R11)(R12*8), R10

// BEGIN takes chains up where the chunk before left them.
#define BEGIN(i, addr, acc, slot) \
	VMOVUPS.Z addr, K1, acc

// CLEAR begins a chain, and asks for the line that STORE will write.
#define CLEAR(i, addr, acc, slot) \
	PREFETCHW                     \
	ADDQ   R12, DX                \
	VPXORD acc, acc, acc

// GROUP continues the chains by the group whose sums are in slot and moves on. Spread between: the sums of the next
// group, in tile done, go to slot to; the product of tiles a and b, three groups ahead, starts in tile c; and the tiles
// a2 and b2 of the group after that are loaded. ADDHALF is ADD or ADDSUM. Behind the last group of a panel AX and BX go on at wrap, the chains at next.
#define GROUP(slot, done, to, c, a, b, a2, b2, wrap, wrapped, next, nexted) \
	VMOVUPS (R8), Z24                   \
	KEEP(done, to)                      \
	QUARTER1(ADDHALF, R11, slot)        \
	QUARTER2(ADDSUM, R11, slot)         \
	PRODUCT(c, a, b)                    \
	QUARTER3(ADDHALF, R10, slot)        \
	LOAD(a2, b2)                        \
	DECQ CX                             \
	JEQ wrap                            \
wrapped:                                \
	QUARTER4(ADDSUM, R10, slot)         \
	MINIMA(slot)                        \
	ADDQ $(STEP+(4-STEP)*(slot&1)), R11 \
	ADDQ $(STEP+(4-STEP)*(slot&1)), R10 \
	ADDQ $128, R8                       \
	CMPQ R8, end-40(SP)                 \
	JEQ  next                           \
nexted:

#define ADDHALF ADD
#define MINIMA(slot)
#define WEIGHTS 32
#define EVEN 512
#define ODD 512
#define STEP 4

// func gemmInt8AMX(p *amxArgs)
TEXT ·gemmInt8AMX(SB), 0, $136-8
#include "gemm_int8_amx_amd64.h"

#undef ADDHALF
#undef MINIMA

#define ADDHALF ADDSUM
#define MINIMA(slot) \
	MOVQ minima-56(SP), DX     \
	VMOVUPS (R8)(DX*1), Z24    \
	EACH(ADDMIN, SI, R9, slot) \
	MOVQ $32, DX               \
	ADDQ $4, SI                \
	ADDQ $4, R9

// func gemmInt8MinAMX(p *amxArgs)
TEXT ·gemmInt8MinAMX(SB), 0, $136-8
#include "gemm_int8_amx_amd64.h"

#undef ADDHALF
#undef MINIMA
#undef WEIGHTS
#undef EVEN
#undef ODD
#undef STEP

#define ADDHALF ADD
#define MINIMA(slot)
#define WEIGHTS 16
#define EVEN 16
#define ODD 496
#define STEP 0

// func gemmInt8By16AMX(p *amxArgs)
TEXT ·gemmInt8By16AMX(SB), 0, $136-8
#include "gemm_int8_amx_amd64.h"

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
