//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_avx512_amd64.h"

// HALF multiplies 128 weights, codes + 32: ql at o, qh at h, activations at xo in file order. Each lane is a group.
#define HALF(o, h, xo, a, b) \
	VMOVDQU32       o(SI), Z4         \
	VBROADCASTI64X4 h(SI), Z5         \
	VPSRLW          $4, Z4, Z7        \
	VPANDD          Z31, Z4, Z6       \
	VPANDD          Z31, Z7, Z7       \
	VPSLLVW         Z28, Z5, Z8       \
	VPSRLVW         Z29, Z5, Z9       \
	VPTERNLOGD      $0xf8, Z30, Z8, Z6 \
	VPTERNLOGD      $0xf8, Z30, Z9, Z7 \
	VPXORD          a, a, a           \
	VPXORD          b, b, b           \
	VPDPBUSD        (xo)(R11), Z6, a  \
	VPDPBUSD        (xo+64)(R11), Z7, b

// func gemvSumsQ6_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)
//
// sums [blocks, 16 rows, 16] int32, scales [blocks] of 16 rows x 16 int8, then 16 dwords with d.
TEXT ·gemvSumsQ6_KAVX512(SB), 0, $136-64
	MOVQ w+16(FP), SI
	MOVQ rows+32(FP), DX
	FETCHFIRST
	MOVL $0x0f0f0f0f, AX
	VPBROADCASTD AX, Z31
	MOVL $0x30303030, AX
	VPBROADCASTD AX, Z30
	MOVL $0x00040004, AX
	VPBROADCASTD AX, Y28
	MOVL $0x00020002, AX
	VPBROADCASTD AX, Y5
	VINSERTI64X4 $1, Y5, Z28, Z28 // shifts to the left: 4 and 2
	VPXORD       Z29, Z29, Z29
	VINSERTI64X4 $1, Y5, Z29, Z29 // to the right: 0 and 2
	XORQ R8, R8                   // row

	// Invariant: rows below R8 are done, row R8 starts at SI.
row:
	FETCHJUMP(within)
	MOVQ x+24(FP), R11
	MOVQ blocks+40(FP), CX
	MOVQ R8, AX
	SHLQ $4, AX
	MOVQ scales+8(FP), R9
	LEAQ (R9)(AX*1), R13
	LEAQ 256(R9)(R8*4), R9
	MOVQ sums+0(FP), R12
	LEAQ (R12)(AX*4), R12

	// Invariant: CX > 0 blocks of the row are left, the next at SI.
block:
	HALF(0, 128, 0, Z0, Z1)
	HALF(64, 160, 128, Z2, Z3)
	VMOVDQU 192(SI), X8
	VMOVDQU X8, (R13)
	MOVWLZX 208(SI), AX
	MOVL    AX, (R9)
	REDUCE
	VMOVDQU32  Z0, (R12)
	PREFETCHT0 (R10)
	PREFETCHT0 64(R10)
	PREFETCHT0 128(R10)
	ADDQ $146, R10
	ADDQ $210, SI
	ADDQ $256, R11
	ADDQ $1024, R12
	ADDQ $320, R13
	ADDQ $320, R9
	DECQ CX
	JNZ  block
	INCQ R8
	CMPQ R8, DX
	JLT  row
	FETCHJUMP(done)
	MOVQ R10, next+56(FP)
	VZEROUPPER
	RET
