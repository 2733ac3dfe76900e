//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_runs_avx512_amd64.h"
#include "gemv_super_avx512_amd64.h"

// Gemv of Q6_K. A lane of 16 codes, stored + 32, is a group; its sum begins at -32 times the sum of the activations.
//
//	Z12-Z15 sub-scales of groups 0-3 ... 12-15, a byte each · Z16-Z23 sums of a half · Z24 Z25 where sums begin · Z26 d
//	Z27 Z28 shifts of upper bits to the right and to the left · Z29 Z31 masks of upper bits and nibbles · K2 a dword a lane

// BEGIN: z = where the sums of the four groups begin whose activations have the sums at o.
#define BEGIN(o, z) \
	VPXOR       X5, X5, X5        \
	VMOVDQU     o(R14), X4        \
	VPSLLD      $5, X4, X4        \
	VPSUBD      X4, X5, X4        \
	VPEXPANDD.Z Z4, K2, z

// ROW6 multiplies 128 codes with the activations at xo.
#define ROW6(codes, bits, xo, a, b) \
	VMOVDQU32       codes, Z4            \
	VBROADCASTI64X4 bits, Z5             \
	VPSRLW          $4, Z4, Z6           \
	VPANDD          Z31, Z4, Z4          \
	VPANDD          Z31, Z6, Z6          \
	VPSLLVQ         Z28, Z5, Z7          \
	VPSRLVQ         Z27, Z5, Z5          \
	VPTERNLOGD      $0xf8, Z29, Z7, Z4   \
	VPTERNLOGD      $0xf8, Z29, Z5, Z6   \
	VMOVDQA32       Z24, a               \
	VMOVDQA32       Z25, b               \
	VPDPBUSD        (xo)(R11), Z4, a     \
	VPDPBUSD        (xo+64)(R11), Z6, b

#define ROWS6(o, h, xo, B, S, T) \
	ROW6(o(B), h(B), xo, Z0, Z8)                      \
	ROW6(o(B)(AX*1), h(B)(AX*1), xo, Z1, Z9)          \
	ROW6(o(B)(AX*2), h(B)(AX*2), xo, Z2, Z10)         \
	ROW6(o(B)(BX*1), h(B)(BX*1), xo, Z3, Z11)         \
	ASK4                                              \
	ASK4                                              \
	REDUCE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)           \
	VMOVDQA32 Z0, S                                   \
	REDUCE4(Z8, Z9, Z10, Z11, Z4, Z5, Z6, Z7)         \
	VMOVDQA32 Z8, T

// GROUP: acc = fma(float32(isum), (d*sc)*dx, acc); LEFT brings the scale to the upper byte.
#define GROUP(isum, LEFT, scales, dx) \
	LEFT(scales)                        \
	VPSRAD      $24, Z4, Z4             \
	VCVTDQ2PS   isum, isum              \
	VCVTDQ2PS   Z4, Z4                  \
	VMULPS      Z26, Z4, Z4             \
	VMULPS.BCST (4*(dx))(R13), Z4, Z4   \
	VFMADD231PS Z4, isum, Z30

#define BYTE0(z) VPSLLD $24, z, Z4
#define BYTE1(z) VPSLLD $16, z, Z4
#define BYTE2(z) VPSLLD $8, z, Z4
#define BYTE3(z) VMOVDQA32 z, Z4

#define GROUPS(a, b, c, d, scales, dx) \
	BYGROUP(a, b, c, d, Z8, Z9, Z10, Z11) \
	GROUP(Z8, BYTE0, scales, dx)          \
	GROUP(Z9, BYTE1, scales, dx)          \
	GROUP(Z10, BYTE2, scales, dx+1)       \
	GROUP(Z11, BYTE3, scales, dx+1)

#define HALF(o, h, xo, so, s, t, dx) \
	BEGIN(so, Z24)                      \
	BEGIN(so+16, Z25)                   \
	ROWS6(o, h, xo, SI, Z16, Z20)       \
	ROWS6(o, h, xo, R8, Z17, Z21)       \
	ROWS6(o, h, xo, R9, Z18, Z22)       \
	ROWS6(o, h, xo, R12, Z19, Z23)      \
	GROUPS(Z16, Z17, Z18, Z19, s, dx)   \
	GROUPS(Z20, Z21, Z22, Z23, t, dx+2)

// SCALES4 copies d of four rows to the frame.
#define SCALES4(B, i) \
	MOVWLZX 208(B), DI         \
	MOVW    DI, d-(64-i)(SP)   \
	MOVWLZX 208(B)(AX*1), DI   \
	MOVW    DI, d-(62-i)(SP)   \
	MOVWLZX 208(B)(AX*2), DI   \
	MOVW    DI, d-(60-i)(SP)   \
	MOVWLZX 208(B)(BX*1), DI   \
	MOVW    DI, d-(58-i)(SP)

DATA shifts<>+0(SB)/8, $0x0202020200000000
DATA shifts<>+8(SB)/8, $0x0202020204040404
GLOBL shifts<>(SB), RODATA|NOPTR, $16

// Q6_K is the body of its two kernels. Invariants: at row, rows-8(SP) > 0 rows of each run are left, the next at SI; at block, Z30 holds the chains
// of all blocks before the one at SI, CX > 0 are left.
#define Q6_K \
	MOVL $0x0f0f0f0f, AX                \
	VPBROADCASTD AX, Z31                \
	MOVL $0x30303030, AX                \
	VPBROADCASTD AX, Z29                \
	MOVL $0x1111, AX                    \
	KMOVW AX, K2                        \
	VPMOVZXBQ shifts<>+0(SB), Z27       \
	VPMOVZXBQ shifts<>+8(SB), Z28       \
	BEGINRUNS(210)                      \
row:                                        \
	BEGINROW                            \
block:                                      \
	SCALES4(SI, 0)                      \
	SCALES4(R8, 8)                      \
	SCALES4(R9, 16)                     \
	SCALES4(R12, 24)                    \
	HEADS(192)                          \
	VMOVDQA32 Z0, Z12                   \
	VMOVDQA32 Z1, Z13                   \
	VMOVDQA32 Z2, Z14                   \
	VMOVDQA32 Z3, Z15                   \
	VCVTPH2PS d-64(SP), Z26             \
	HALF(0, 128, 0, 0, Z12, Z13, 0)     \
	HALF(64, 160, 128, 32, Z14, Z15, 4) \
	NEXTBLOCK(210, 256)                 \
	TURNED(210, near)                   \
	ADDQ $64, R14                       \
	DECQ CX                             \
	JNZ  block                          \
	ENDROW(row)

#define FETCH PREFETCHT0

// func gemvQ6_KAVX512(p *runs)
TEXT ·gemvQ6_KAVX512(SB), 0, $136-8
	Q6_K

#undef FETCH
#define FETCH PREFETCHT1

// func gemvQ6_KAVX512AMD(p *runs)
TEXT ·gemvQ6_KAVX512AMD(SB), 0, $136-8
	Q6_K
