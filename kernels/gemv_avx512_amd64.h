// Phase one of a Gemv: the integer sums of up to 16 rows, one row after the other. Included by the file of each group
// of formats, which defines BYTES (of a block), QUAD, FETCH and SCALES (bytes of the scales of a group, 16 rows).
//
//	SI next block · R11 next quad of activations · R12, R13 next sums and scales of this row · R10 next line to prefetch
//	CX groups left in the row · Z0-Z3 sums of four quads · AX BX DX DI Z4-Z9 temporaries

// ROWS is the body of func (sums *int32, scales *byte, w *byte, x *int8, rows, groups int) (next uintptr):
//
//	sums [groups/16, 16 rows, 16] int32, scales [groups, 16 rows]; next = the first byte not yet prefetched
#define ROWS \
	MOVQ sums+0(FP), R12           \
	MOVQ scales+8(FP), R13         \
	MOVQ w+16(FP), SI              \
	MOVQ rows+32(FP), DX           \
	MOVQ R12, sumsRow-8(SP)        \
	MOVQ R13, scalesRow-16(SP)     \
	MOVQ DX, left-24(SP)           \
	LEAQ AHEAD(SI), R10            \
row:                               \
	MOVQ x+24(FP), R11             \
	MOVQ groups+40(FP), CX         \
	MOVQ sumsRow-8(SP), R12        \
	MOVQ scalesRow-16(SP), R13     \
	SUBQ $16, CX                   \
	JLT  tail                      \
chunk:                             \
	QUAD(0, SI, BYTES, SI, 2*BYTES, SI, 3*BYTES, SI, 0, 0, Z0)                        \
	FETCH                                                                             \
	QUAD(4*BYTES, SI, 5*BYTES, SI, 6*BYTES, SI, 7*BYTES, SI, 128, 4*SCALES, Z1)       \
	FETCH                                                                             \
	QUAD(8*BYTES, SI, 9*BYTES, SI, 10*BYTES, SI, 11*BYTES, SI, 256, 8*SCALES, Z2)     \
	FETCH                                                                             \
	QUAD(12*BYTES, SI, 13*BYTES, SI, 14*BYTES, SI, 15*BYTES, SI, 384, 12*SCALES, Z3)  \
	FETCH                                                                             \
	REDUCE                         \
	VMOVDQU32 Z0, (R12)            \
	ADDQ $(16*BYTES), SI           \
	ADDQ $512, R11                 \
	ADDQ $1024, R12                \
	ADDQ $(16*SCALES), R13         \
	SUBQ $16, CX                   \
	JGE  chunk                     \
tail:                              \
	ADDQ $16, CX                   \
	JEQ  endrow                    \
	LEAQ quads-320(SP), DI         \
	MOVQ DI, quad-32(SP)           \
	SUBQ $4, CX                    \
	JLT  part                      \
quad:                              \
	QUAD(0, SI, BYTES, SI, 2*BYTES, SI, 3*BYTES, SI, 0, 0, Z0)                        \
	FETCH                          \
	MOVQ quad-32(SP), DI           \
	VMOVDQU32 Z0, (DI)             \
	ADDQ $64, quad-32(SP)          \
	ADDQ $(4*BYTES), SI            \
	ADDQ $128, R11                 \
	ADDQ $(4*SCALES), R13          \
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
	QUAD(0, SI, 0, R8, 0, R9, 0, SI, 0, 0, Z0)                                        \
	FETCH                          \
	MOVQ quad-32(SP), DI           \
	VMOVDQU32 Z0, (DI)             \
	IMULQ $BYTES, CX               \
	ADDQ CX, SI                    \
store:                             \
	VMOVDQU32 quads-320(SP), Z0    \
	VMOVDQU32 quads-256(SP), Z1    \
	VMOVDQU32 quads-192(SP), Z2    \
	VMOVDQU32 quads-128(SP), Z3    \
	REDUCE                         \
	VMOVDQU32 Z0, (R12)            \
endrow:                            \
	ADDQ $64, sumsRow-8(SP)        \
	ADDQ $(SCALES/16), scalesRow-16(SP) \
	DECQ left-24(SP)               \
	JNZ  row                       \
	MOVQ R10, next+48(FP)          \
	VZEROUPPER                     \
	RET
