//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_avx512_amd64.h"

// Phase one of the Gemv of Q2_K and Q3_K. A half of a block is four runs of 32 codes, whose bits lie in the same 32 bytes:
// with two shifts each, these give 64 codes in file order, and each lane of a product is a group.
//
//	SI block · R11 activations · R12 sums · R13, R9 scales and d of this row · R10 next line to prefetch · CX blocks left
//	Z31 bytes 3 · Z29, Z28 shifts to the right 0, 2 and 4, 6

// SHIFTS: words a in the lower half of z, b in the upper one; y is the lower half of z.
#define SHIFTS(a, b, y, z) \
	MOVL         $(a*0x00010001), AX \
	MOVL         $(b*0x00010001), BX \
	VPBROADCASTD AX, y               \
	VPBROADCASTD BX, Y4              \
	VINSERTI64X4 $1, Y4, z, z

#define CONSTANTS \
	MOVL         $0x03030303, AX \
	VPBROADCASTD AX, Z31         \
	SHIFTS(0, 2, Y29, Z29)       \
	SHIFTS(4, 6, Y28, Z28)

#define DOT(xo, w, acc) \
	VPXORD   acc, acc, acc \
	VPDPBUSD (xo)(R11), w, acc

// HALF2 multiplies 128 codes of the 32 bytes at o.
#define HALF2(o, xo, a, b) \
	VBROADCASTI64X4 o(SI), Z4   \
	VPSRLVW         Z29, Z4, Z6 \
	VPSRLVW         Z28, Z4, Z7 \
	VPANDD          Z31, Z6, Z6 \
	VPANDD          Z31, Z7, Z7 \
	DOT(xo, Z6, a)              \
	DOT((xo+64), Z7, b)

#define BLOCK2 \
	HALF2(16, 0, Z0, Z1)     \
	HALF2(48, 128, Z2, Z3)   \
	VMOVDQU (SI), X8         \
	VMOVDQU X8, (R13)        \
	MOVL    80(SI), AX       \
	MOVL    AX, (R9)         \
	PREFETCHT0 (R10)         \
	ADDQ    $52, R10         \
	ADDQ    $84, SI

// HALF3 adds the third bits, which shifts of Z8 bring to bit 2.
#define HALF3(o, xo, LEFT, shift1, shift2, a, b) \
	VBROADCASTI64X4 o(SI), Z4           \
	VPSRLVW         Z29, Z4, Z6         \
	VPSRLVW         Z28, Z4, Z7         \
	LEFT            shift1, Z8, Z9      \
	VPSRLVW         shift2, Z8, Z10     \
	VPANDD          Z31, Z6, Z6         \
	VPANDD          Z31, Z7, Z7         \
	VPTERNLOGD      $0xf8, Z30, Z9, Z6  \
	VPTERNLOGD      $0xf8, Z30, Z10, Z7 \
	DOT(xo, Z6, a)                      \
	DOT((xo+64), Z7, b)

// BLOCK3 also stores the 16 scales of six bits, see ScaleQ3_K, without their bias, as bytes.
#define BLOCK3 \
	VBROADCASTI64X4 (SI), Z8                         \
	HALF3(32, 0, VPSLLVW, Z27, Z26, Z0, Z1)          \
	HALF3(64, 128, VPSRLVW, Z25, Z24, Z2, Z3)        \
	VMOVQ        96(SI), X4                          \
	VPBROADCASTD 104(SI), X5                         \
	VPSRLQ       $4, X4, X6                          \
	VPUNPCKLQDQ  X6, X4, X4                          \
	VPROLVD      X22, X5, X5                         \
	VPANDD       X23, X4, X4                         \
	VPTERNLOGD   $0xf8, X21, X5, X4                  \
	VMOVDQU      X4, (R13)                           \
	MOVWLZX      108(SI), AX                         \
	MOVL         AX, (R9)                            \
	PREFETCHT0   (R10)                               \
	ADDQ         $46, R10                            \
	ADDQ         $110, SI

// ROWS16: sums [blocks, 16 rows, 16] int32, scales [blocks] of 16 rows x 16 bytes, then 16 dwords with d (and dmin).
#define ROWS16(BLOCK) \
	MOVQ w+16(FP), SI      \
	FETCHFIRST             \
	XORQ R8, R8            \
row:                       \
	FETCHJUMP(within)      \
	MOVQ x+24(FP), R11     \
	MOVQ blocks+40(FP), CX \
	MOVQ R8, AX            \
	SHLQ $4, AX            \
	MOVQ scales+8(FP), R9  \
	LEAQ (R9)(AX*1), R13   \
	LEAQ 256(R9)(R8*4), R9 \
	MOVQ sums+0(FP), R12   \
	LEAQ (R12)(AX*4), R12  \
block:                     \
	BLOCK                  \
	REDUCE                 \
	VMOVDQU32 Z0, (R12)    \
	ADDQ $256, R11         \
	ADDQ $1024, R12        \
	ADDQ $320, R13         \
	ADDQ $320, R9          \
	DECQ CX                \
	JNZ  block             \
	INCQ R8                \
	CMPQ R8, rows+32(FP)   \
	JLT  row               \
	FETCHJUMP(done)        \
	MOVQ R10, next+56(FP)  \
	VZEROUPPER             \
	RET

// func gemvSumsQ2_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)
TEXT ·gemvSumsQ2_KAVX512(SB), 0, $136-64
	CONSTANTS
	ROWS16(BLOCK2)

// Turns of the upper bits of scales 0-3, 4-7, 8-11, 12-15 to bits 4 and 5.
DATA turns<>+0(SB)/8, $0x0000000200000004
DATA turns<>+8(SB)/8, $0x0000001e00000000
GLOBL turns<>(SB), RODATA|NOPTR, $16

// func gemvSumsQ3_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)
TEXT ·gemvSumsQ3_KAVX512(SB), 0, $136-64
	CONSTANTS
	MOVL         $0x04040404, AX
	VPBROADCASTD AX, Z30
	SHIFTS(2, 1, Y27, Z27) // to the left
	SHIFTS(0, 1, Y26, Z26) // to the right
	SHIFTS(2, 3, Y25, Z25)
	SHIFTS(4, 5, Y24, Z24)
	MOVL         $0x0f0f0f0f, AX
	VPBROADCASTD AX, X23
	VMOVDQU32    turns<>(SB), X22
	MOVL         $0x30303030, AX
	VPBROADCASTD AX, X21
	ROWS16(BLOCK3)
