//go:build !purego && freeorder

#include "textflag.h"
#include "unpack_avx2_amd64.h"

// One row against one token in free order: each block's eight partial sums go straight into one of four accumulators.
//
//	SI block   DI its activations' codes   R8 its d   R9 its sx   CX blocks left   Y0-Y3 chains   X11 minima
#define BEGIN \
	MOVQ     w+0(FP), SI  \
	MOVQ     q+8(FP), DI  \
	MOVQ     d+16(FP), R8 \
	MOVQ     sx+24(FP), R9 \
	MOVQ     nb+32(FP), CX \
	VPCMPEQW Y10, Y10, Y10 \
	VPSRLW   $15, Y10, Y10 \
	VXORPS   Y0, Y0, Y0 \
	VXORPS   Y1, Y1, Y1 \
	VXORPS   Y2, Y2, Y2 \
	VXORPS   Y3, Y3, Y3 \
	VXORPS   Y11, Y11, Y11

#define FREE_Q8_0(i, acc) \
	VMOVDQU      (34*i+2)(SI), Y4 \
	VMOVDQU      (32*i)(DI), Y5   \
	VPABSB       Y4, Y6           \
	VPSIGNB      Y4, Y5, Y5       \
	VPMADDUBSW   Y5, Y6, Y5       \
	VPMADDWD     Y10, Y5, Y5      \
	VCVTDQ2PS    Y5, Y5           \
	VPBROADCASTW (34*i)(SI), X7   \
	VCVTPH2PS    X7, Y7           \
	VBROADCASTSS (4*i)(R8), Y8    \
	VMULPS       Y8, Y7, Y7       \
	VFMADD231PS  Y7, Y5, acc

#define FREE_Q4_1(i, acc) \
	NIBBLES((20*i+4)(SI), Y5)         \
	VPMADDUBSW   (32*i)(DI), Y5, Y5   \
	VPMADDWD     Y10, Y5, Y5          \
	VCVTDQ2PS    Y5, Y5               \
	VMOVD        (20*i)(SI), X7       \
	VCVTPH2PS    X7, X7               \
	VMOVSHDUP    X7, X8               \
	VFMADD231SS  (4*i)(R9), X8, X11   \
	VMULSS       (4*i)(R8), X7, X7    \
	VBROADCASTSS X7, Y7               \
	VFMADD231PS  Y7, Y5, acc

#define FREE(bytes, DOT) \
	SUBQ $4, CX                 \
	JCS  last                   \
four:                         \
	PREFETCHT0 8192(SI)         \
	PREFETCHT0 (8192+64)(SI)    \
	DOT(0, Y0)                  \
	DOT(1, Y1)                  \
	DOT(2, Y2)                  \
	DOT(3, Y3)                  \
	ADDQ $(4*bytes), SI         \
	ADDQ $128, DI               \
	ADDQ $16, R8                \
	ADDQ $16, R9                \
	SUBQ $4, CX                 \
	JCC  four                   \
last:                         \
	ADDQ $4, CX                 \
	JEQ  done                   \
one:                          \
	DOT(0, Y0)                  \
	ADDQ $bytes, SI             \
	ADDQ $32, DI                \
	ADDQ $4, R8                 \
	ADDQ $4, R9                 \
	DECQ CX                     \
	JNE  one                    \
done:                         \
	VADDPS Y1, Y0, Y0           \
	VADDPS Y3, Y2, Y2           \
	VADDPS Y2, Y0, Y0           \
	VEXTRACTF128 $1, Y0, X1     \
	VADDPS X1, X0, X0           \
	VHADDPS X0, X0, X0          \
	VHADDPS X0, X0, X0          \
	VADDSS X11, X0, X0          \
	VMOVSS X0, ret+40(FP)       \
	VZEROUPPER                  \
	RET

// func freeQ8_0AVX2(w *byte, q *int8, d, sx *float32, nb int) float32
TEXT ·freeQ8_0AVX2(SB), 0, $136-44
	BEGIN
	FREE(34, FREE_Q8_0)

// func freeQ4_1AVX2(w *byte, q *int8, d, sx *float32, nb int) float32
TEXT ·freeQ4_1AVX2(SB), 0, $136-44
	BEGIN
	NIBBLE_CONSTANTS
	FREE(20, FREE_Q4_1)
