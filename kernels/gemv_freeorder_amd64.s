//go:build freeorder && !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"

// Gemv in a free order of summation, to measure what the canonical order costs: 16 groups are summed at a time in the
// lanes of Z10 (and Z11 for minima), with one horizontal sum at the end of a row.

#define AHEAD 8192

#define SCALE(o, B, s) \
	MOVWLZX o(B), AX \
	MOVW    AX, (s)(R13)

// Scales lie where REDUCE leaves the sums: group i of quad q, in lane L = (0 2 1 3)[i], at element 4L+q.
#define SCALES4(o0, B0, o1, B1, o2, B2, o3, B3, so) \
	SCALE(o0, B0, so)    \
	SCALE(o1, B1, so+16) \
	SCALE(o2, B2, so+8)  \
	SCALE(o3, B3, so+24)

#define DOT(xo, acc) \
	VPXORD   acc, acc, acc      \
	VPDPBUSD (xo)(R11), Z6, acc \
	VPDPBUSD (xo+64)(R11), Z7, acc

#define NIBBLES(o0, B0, o1, B1, o2, B2, o3, B3) \
	VMOVDQU      o0(B0), X4         \
	VINSERTI32X4 $1, o2(B2), Z4, Z4 \
	VINSERTI32X4 $2, o1(B1), Z4, Z4 \
	VINSERTI32X4 $3, o3(B3), Z4, Z4 \
	VPSRLW       $4, Z4, Z7         \
	VPANDD       Z31, Z4, Z6        \
	VPANDD       Z31, Z7, Z7

#define FIFTH(o0, B0, o1, B1, o2, B2, o3, B3) \
	MOVL  o2(B2), BX     \
	MOVL  o0(B0), AX     \
	SHLQ  $32, BX        \
	ORQ   AX, BX         \
	MOVL  o3(B3), DX     \
	MOVL  o1(B1), AX     \
	SHLQ  $32, DX        \
	ORQ   AX, DX         \
	PEXTQ R14, BX, AX    \
	PEXTQ R15, BX, BX    \
	PEXTQ R14, DX, DI    \
	PEXTQ R15, DX, DX    \
	SHLQ  $32, DI        \
	ORQ   AX, DI         \
	KMOVQ DI, K1         \
	SHLQ  $32, DX        \
	ORQ   BX, DX         \
	KMOVQ DX, K2         \
	VPADDB Z30, Z6, K1, Z6 \
	VPADDB Z30, Z7, K2, Z7

#define QUAD80(o0, B0, o1, B1, o2, B2, o3, B3, xo, so, acc) \
	VMOVDQU      (o0+2)(B0), Y4         \
	VINSERTI64X4 $1, (o2+2)(B2), Z4, Z4 \
	VMOVDQU      (o1+2)(B1), Y5         \
	VINSERTI64X4 $1, (o3+2)(B3), Z5, Z5 \
	SCALES4(o0, B0, o1, B1, o2, B2, o3, B3, so) \
	VPXORD       Z31, Z4, Z4            \
	VPXORD       Z31, Z5, Z5            \
	VSHUFI64X2   $0x88, Z5, Z4, Z6      \
	VSHUFI64X2   $0xdd, Z5, Z4, Z7      \
	DOT(xo, acc)                        \
	PREFETCHT0   (R10)                  \
	PREFETCHT0   64(R10)                \
	ADDQ         $136, R10

#define QUAD41(o0, B0, o1, B1, o2, B2, o3, B3, xo, so, acc) \
	NIBBLES(o0+4, B0, o1+4, B1, o2+4, B2, o3+4, B3)              \
	SCALES4(o0, B0, o1, B1, o2, B2, o3, B3, so)                  \
	SCALES4(o0+2, B0, o1+2, B1, o2+2, B2, o3+2, B3, so+32)       \
	DOT(xo, acc)                                                 \
	PREFETCHT0 (R10)                                             \
	ADDQ       $80, R10

#define QUAD50(o0, B0, o1, B1, o2, B2, o3, B3, xo, so, acc) \
	NIBBLES(o0+6, B0, o1+6, B1, o2+6, B2, o3+6, B3) \
	FIFTH(o0+2, B0, o1+2, B1, o2+2, B2, o3+2, B3)   \
	SCALES4(o0, B0, o1, B1, o2, B2, o3, B3, so)     \
	DOT(xo, acc)                                    \
	PREFETCHT0 (R10)                                \
	PREFETCHT0 64(R10)                              \
	ADDQ       $88, R10

// A row's sums and scales wait in a buffer, 128 bytes for 16 groups, until the next row is read: a vector load of
// scales stored one by one just before would stall. FINISH adds the row in the buffer at AX; R12 = d and start values.
#define FINISH(SUM) \
	MOVQ rec+24(FP), R12           \
	MOVQ groups+48(FP), CX         \
	VPXORD Z10, Z10, Z10           \
	VPXORD Z11, Z11, Z11           \
finish:                            \
	VMOVDQU32 (AX), Z0             \
	VCVTPH2PS 64(AX), Z4           \
	VMULPS (R12), Z4, Z4           \
	SUM                            \
	ADDQ $128, AX                  \
	ADDQ $128, R12                 \
	SUBQ $16, CX                   \
	JG   finish                    \
	VADDPS Z11, Z10, Z10           \
	VEXTRACTF64X4 $1, Z10, Y11     \
	VADDPS Y11, Y10, Y10           \
	VEXTRACTF128 $1, Y10, X11      \
	VADDPS X11, X10, X10           \
	VHADDPS X10, X10, X10          \
	VHADDPS X10, X10, X10          \
	MOVQ out-80(SP), AX            \
	VMOVSS X10, (AX)               \
	ADDQ $4, out-80(SP)

#define SUM \
	VPADDD      64(R12), Z0, Z0 \
	VCVTDQ2PS   Z0, Z0          \
	VFMADD231PS Z4, Z0, Z10

#define SUMMIN \
	VCVTDQ2PS   Z0, Z0          \
	VFMADD231PS Z4, Z0, Z10     \
	VCVTPH2PS   96(AX), Z5      \
	VFMADD231PS 64(R12), Z5, Z11

#define ROWS(QUAD, BYTES, SUM) \
	MOVQ dst+0(FP), DI             \
	MOVQ w+8(FP), SI               \
	MOVQ rows+40(FP), DX           \
	MOVQ DX, left-72(SP)           \
	MOVQ DI, out-80(SP)            \
	MOVQ buf+32(FP), AX            \
	MOVQ AX, this-88(SP)           \
	ADDQ half+56(FP), AX           \
	MOVQ AX, prev-96(SP)           \
	MOVQ $0, begun-104(SP)         \
	LEAQ AHEAD(SI), R10            \
row:                               \
	MOVQ x+16(FP), R11             \
	MOVQ groups+48(FP), CX         \
	MOVQ this-88(SP), R12          \
	LEAQ 64(R12), R13              \
	SUBQ $16, CX                   \
	JLT  tail                      \
chunk:                             \
	QUAD(0, SI, BYTES, SI, 2*BYTES, SI, 3*BYTES, SI, 0, 0, Z0)               \
	QUAD(4*BYTES, SI, 5*BYTES, SI, 6*BYTES, SI, 7*BYTES, SI, 128, 2, Z1)     \
	QUAD(8*BYTES, SI, 9*BYTES, SI, 10*BYTES, SI, 11*BYTES, SI, 256, 4, Z2)   \
	QUAD(12*BYTES, SI, 13*BYTES, SI, 14*BYTES, SI, 15*BYTES, SI, 384, 6, Z3) \
	REDUCE                         \
	VMOVDQU32 Z0, (R12)            \
	ADDQ $128, R12                 \
	ADDQ $128, R13                 \
	ADDQ $(16*BYTES), SI           \
	ADDQ $512, R11                 \
	SUBQ $16, CX                   \
	JGE  chunk                     \
tail:                              \
	ADDQ $16, CX                   \
	JEQ  endrow                    \
	LEAQ quads-384(SP), DI         \
	MOVQ DI, quad-112(SP)          \
	SUBQ $4, CX                    \
	JLT  part                      \
quad:                              \
	QUAD(0, SI, BYTES, SI, 2*BYTES, SI, 3*BYTES, SI, 0, 0, Z0)               \
	MOVQ quad-112(SP), DI          \
	VMOVDQU32 Z0, (DI)             \
	ADDQ $64, quad-112(SP)         \
	ADDQ $2, R13                   \
	ADDQ $(4*BYTES), SI            \
	ADDQ $128, R11                 \
	SUBQ $4, CX                    \
	JGE  quad                      \
part:                              \
	ADDQ $4, CX                    \
	JEQ  store                     \
	MOVQ SI, R8                    \
	MOVQ SI, R9                    \
	CMPQ CX, $2                    \
	JLT  parted                    \
	LEAQ BYTES(SI), R8             \
	JEQ  parted                    \
	LEAQ (2*BYTES)(SI), R9         \
parted:                            \
	QUAD(0, SI, 0, R8, 0, R9, 0, SI, 0, 0, Z0)                               \
	MOVQ quad-112(SP), DI          \
	VMOVDQU32 Z0, (DI)             \
	IMULQ $BYTES, CX               \
	ADDQ CX, SI                    \
store:                             \
	VMOVDQU32 quads-384(SP), Z0    \
	VMOVDQU32 quads-320(SP), Z1    \
	VMOVDQU32 quads-256(SP), Z2    \
	VMOVDQU32 quads-192(SP), Z3    \
	REDUCE                         \
	VMOVDQU32 Z0, (R12)            \
endrow:                            \
	MOVQ this-88(SP), DI           \
	MOVQ prev-96(SP), AX           \
	MOVQ AX, this-88(SP)           \
	MOVQ DI, prev-96(SP)           \
	CMPQ begun-104(SP), $0         \
	MOVQ $1, begun-104(SP)         \
	JEQ  first                     \
last:                              \
	FINISH(SUM)                    \
first:                             \
	MOVQ prev-96(SP), AX           \
	DECQ left-72(SP)               \
	JGT  row                       \
	JEQ  last                      \
	VZEROUPPER                     \
	RET

// func gemvFreeQ8_0(dst *float32, w *byte, x *int8, rec *float32, buf *int32, rows, groups, half int)
TEXT ·gemvFreeQ8_0(SB), 0, $392-64
	MOVL         $0x80808080, AX
	VPBROADCASTD AX, Z31
	ROWS(QUAD80, 34, SUM)

// func gemvFreeQ4_1(dst *float32, w *byte, x *int8, rec *float32, buf *int32, rows, groups, half int)
TEXT ·gemvFreeQ4_1(SB), 0, $392-64
	MOVL         $0x0f0f0f0f, AX
	VPBROADCASTD AX, Z31
	ROWS(QUAD41, 20, SUMMIN)

// func gemvFreeQ5_0(dst *float32, w *byte, x *int8, rec *float32, buf *int32, rows, groups, half int)
TEXT ·gemvFreeQ5_0(SB), 0, $392-64
	MOVL         $0x0f0f0f0f, AX
	VPBROADCASTD AX, Z31
	MOVL         $0x10101010, AX
	VPBROADCASTD AX, Z30
	MOVQ         $0x0000ffff0000ffff, R14
	MOVQ         $0xffff0000ffff0000, R15
	ROWS(QUAD50, 22, SUM)
