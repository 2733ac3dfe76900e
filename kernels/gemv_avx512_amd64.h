// Phase one of a Gemv: the integer sums of up to 16 rows, one row after the other. Included by the file of each group
// of formats, which defines BYTES (of a block), QUAD, FETCH and SCALES (bytes of the scales of a group, 16 rows).
//
//	SI next block · R11 next quad of activations · R12, R13 sums and scales of this row · R10 next line to prefetch
//	CX groups left in the row · Z0-Z3 sums of four quads · AX BX DX DI R8 R9 Z4-Z9 temporaries

// FETCHFIRST: R10 = the first line to ask for.
#define FETCHFIRST \
	MOVQ fetch+48(FP), BX      \
	MOVQ fetch_lead(BX), R10   \
	ADDQ SI, R10               \
	MOVQ fetch_end(BX), DI     \
	MOVQ DI, end-32(SP)

// FETCHJUMP goes on at what is read after the weights, once; the label is one of the function's own.
#define FETCHJUMP(near) \
	CMPQ R10, end-32(SP)       \
	JCS  near                  \
	MOVQ fetch+48(FP), BX      \
	ADDQ fetch_jump(BX), R10   \
	MOVQ $-1, end-32(SP)       \
near:

// ROWS is the body of func (sums *int32, scales *byte, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr):
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
	FETCHFIRST                     \
row:                               \
	FETCHJUMP(within)              \
	MOVQ x+24(FP), R11             \
	MOVQ groups+40(FP), CX         \
	MOVQ sumsRow-8(SP), R12        \
	MOVQ scalesRow-16(SP), R13     \
	SUBQ $16, CX                   \
	JLT  tail                      \
chunk:                             \
	QUAD0                          \
	QUAD1                          \
	QUAD2                          \
	QUAD(12*BYTES, SI, 13*BYTES, SI, 14*BYTES, SI, 15*BYTES, SI, 384, 12*SCALES, Z3)  \
	FETCH                          \
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
	CMPQ CX, $4                    \
	JLT  part                      \
	QUAD0                          \
	CMPQ CX, $8                    \
	JLT  part                      \
	QUAD1                          \
	CMPQ CX, $12                   \
	JLT  part                      \
	QUAD2                          \
part:                              \
	MOVQ CX, BX                    \
	ANDQ $12, BX                   \
	MOVQ BX, AX                    \
	SHLQ $5, AX                    \
	ADDQ AX, R11                   \
	IMUL3Q $BYTES, BX, AX          \
	ADDQ AX, SI                    \
	IMUL3Q $SCALES, BX, AX         \
	ADDQ AX, R13                   \
	ANDQ $3, CX                    \
	JEQ  reduce                    \
	MOVQ BX, quads-40(SP)          \
	MOVQ SI, R8                    \
	MOVQ SI, R9                    \
	CMPQ CX, $2                    \
	JLT  parted                    \
	LEAQ BYTES(SI), R8             \
	JEQ  parted                    \
	LEAQ (2*BYTES)(SI), R9         \
parted:                            \
	QUAD(0, SI, 0, R8, 0, R9, 0, SI, 0, 0, Z9)                                        \
	FETCH                          \
	IMUL3Q $BYTES, CX, AX          \
	ADDQ AX, SI                    \
	MOVQ quads-40(SP), BX          \
	CMPQ BX, $4                    \
	JLT  first                     \
	JEQ  second                    \
	CMPQ BX, $8                    \
	JEQ  third                     \
	VMOVDQA32 Z9, Z3               \
	JMP  reduce                    \
third:                             \
	VMOVDQA32 Z9, Z2               \
	JMP  reduce                    \
second:                            \
	VMOVDQA32 Z9, Z1               \
	JMP  reduce                    \
first:                             \
	VMOVDQA32 Z9, Z0               \
reduce:                            \
	REDUCE                         \
	VMOVDQU32 Z0, (R12)            \
endrow:                            \
	ADDQ $64, sumsRow-8(SP)        \
	ADDQ $(SCALES/16), scalesRow-16(SP) \
	DECQ left-24(SP)               \
	JNZ  row                       \
	FETCHJUMP(done)                \
	MOVQ R10, next+56(FP)          \
	VZEROUPPER                     \
	RET

#define QUAD0 \
	QUAD(0, SI, BYTES, SI, 2*BYTES, SI, 3*BYTES, SI, 0, 0, Z0) \
	FETCH

#define QUAD1 \
	QUAD(4*BYTES, SI, 5*BYTES, SI, 6*BYTES, SI, 7*BYTES, SI, 128, 4*SCALES, Z1) \
	FETCH

#define QUAD2 \
	QUAD(8*BYTES, SI, 9*BYTES, SI, 10*BYTES, SI, 11*BYTES, SI, 256, 8*SCALES, Z2) \
	FETCH
