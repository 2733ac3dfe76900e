//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_avx512_amd64.h"

// Phase one of the Gemv of Q4_K and Q5_K. Scratch: sums [blocks/2, 16 rows, 16] int32, lanes of a quad in the group
// order 0 2 1 3; scales [blocks] of 16 rows x 16 bytes (sc 0-3, mn 0-3, sc 4-7, mn 4-7), then 16 dwords (d, dmin).
//
//	SI block · R11 activations · R12 sums · R13, R9 scales and d of this row · R10 next line to prefetch · CX blocks left

// SUBSCALES unpacks the 6-bit scales and minima, see ScaleMin, eight at a time, and copies d and dmin.
#define SUBSCALES \
	MOVQ 4(SI), AX   \
	MOVL 12(SI), BX  \
	MOVQ AX, DX      \
	ANDQ R14, DX     \
	MOVQ DX, (R13)   \
	SHRQ $2, AX      \
	ANDQ R15, AX     \
	MOVQ BX, DX      \
	SHLQ $28, DX     \
	ORQ  BX, DX      \
	ANDQ R8, DX      \
	ORQ  DX, AX      \
	MOVQ AX, 8(R13)  \
	MOVL (SI), AX    \
	MOVL AX, (R9)    \
	ADDQ $320, R13   \
	ADDQ $320, R9

#define NIBBLES(o) \
	VMOVDQU32 o(SI), Z4    \
	VPSRLW    $4, Z4, Z5   \
	VPANDD    Z31, Z4, Z4  \
	VPANDD    Z31, Z5, Z5

// DOT: Z4 holds groups 0 and 2, Z5 groups 1 and 3 of a quad.
#define DOT(xo, acc) \
	VSHUFI64X2 $0x88, Z5, Z4, Z6  \
	VSHUFI64X2 $0xdd, Z5, Z4, Z7  \
	VPXORD     acc, acc, acc      \
	VPDPBUSD   (xo)(R11), Z6, acc \
	VPDPBUSD   (xo+64)(R11), Z7, acc

#define BLOCK4(a, b) \
	SUBSCALES          \
	NIBBLES(16)        \
	DOT(0, a)          \
	NIBBLES(80)        \
	DOT(128, b)        \
	PREFETCHT0 (R10)   \
	PREFETCHT0 64(R10) \
	ADDQ $112, R10     \
	ADDQ $144, SI      \
	ADDQ $256, R11

// Masks of the bits of qh that belong to Z4 and Z5 of the first and the second quad.
#define BLOCK5(a, b) \
	SUBSCALES                   \
	VBROADCASTI64X4 16(SI), Z8  \
	VPTESTMB Z24, Z8, K1        \
	VPTESTMB Z25, Z8, K2        \
	VPTESTMB Z26, Z8, K3        \
	VPTESTMB Z27, Z8, K4        \
	NIBBLES(48)                 \
	VPADDB Z30, Z4, K1, Z4      \
	VPADDB Z30, Z5, K2, Z5      \
	DOT(0, a)                   \
	NIBBLES(112)                \
	VPADDB Z30, Z4, K3, Z4      \
	VPADDB Z30, Z5, K4, Z5      \
	DOT(128, b)                 \
	PREFETCHT0 (R10)            \
	PREFETCHT0 64(R10)          \
	PREFETCHT0 128(R10)         \
	ADDQ $144, R10              \
	ADDQ $176, SI               \
	ADDQ $256, R11

#define ROWSK(BLOCK) \
	MOVQ sums+0(FP), R12       \
	MOVQ scales+8(FP), R13     \
	MOVQ w+16(FP), SI          \
	MOVQ rows+32(FP), DX       \
	LEAQ 256(R13), R9          \
	MOVQ R12, sumsRow-8(SP)    \
	MOVQ R13, scalesRow-16(SP) \
	MOVQ R9, dRow-24(SP)       \
	MOVQ DX, left-40(SP)       \
	FETCHFIRST                 \
	MOVQ $0x3f3f3f3f3f3f3f3f, R14 \
	MOVQ $0x3030303030303030, R15 \
	MOVQ $0x0f0f0f0f0f0f0f0f, R8  \
	VPBROADCASTQ R8, Z31       \
row:                           \
	FETCHJUMP(within)          \
	MOVQ x+24(FP), R11         \
	MOVQ blocks+40(FP), CX     \
	MOVQ sumsRow-8(SP), R12    \
	MOVQ scalesRow-16(SP), R13 \
	MOVQ dRow-24(SP), R9       \
pair:                          \
	BLOCK(Z0, Z1)              \
	DECQ CX                    \
	JEQ  store                 \
	BLOCK(Z2, Z3)              \
	DECQ CX                    \
store:                         \
	REDUCE                     \
	VMOVDQU32 Z0, (R12)        \
	ADDQ $1024, R12            \
	TESTQ CX, CX               \
	JNE  pair                  \
	ADDQ $64, sumsRow-8(SP)    \
	ADDQ $16, scalesRow-16(SP) \
	ADDQ $4, dRow-24(SP)       \
	DECQ left-40(SP)           \
	JNZ  row                   \
	FETCHJUMP(done)            \
	MOVQ R10, next+56(FP)      \
	VZEROUPPER                 \
	RET

// func gemvSumsQ4_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)
TEXT ·gemvSumsQ4_KAVX512(SB), 0, $136-64
	ROWSK(BLOCK4)

DATA bits5<>+0(SB)/8, $0x0404040401010101
DATA bits5<>+8(SB)/8, $0x0808080802020202
DATA bits5<>+16(SB)/8, $0x4040404010101010
DATA bits5<>+24(SB)/8, $0x8080808020202020
GLOBL bits5<>(SB), RODATA|NOPTR, $32

#define HALVES(o, z, y) \
	VPBROADCASTD  bits5<>+(o)(SB), y   \
	VPBROADCASTD  bits5<>+(o+4)(SB), Y28 \
	VINSERTI64X4  $1, Y28, z, z

// func gemvSumsQ5_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)
TEXT ·gemvSumsQ5_KAVX512(SB), 0, $136-64
	HALVES(0, Z24, Y24)
	HALVES(8, Z25, Y25)
	HALVES(16, Z26, Y26)
	HALVES(24, Z27, Y27)
	MOVL         $0x10101010, AX
	VPBROADCASTD AX, Z30
	ROWSK(BLOCK5)
