//go:build !purego

#include "textflag.h"

// func peakReadAVX512(p *byte, n int)
//
// Reads n bytes, a positive multiple of 512.
TEXT ·peakReadAVX512(SB), 0, $136-16
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX

	// Invariant: CX bytes from SI on are left.
loop:
	VPORD (SI), Z0, Z0
	VPORD 64(SI), Z1, Z1
	VPORD 128(SI), Z2, Z2
	VPORD 192(SI), Z3, Z3
	VPORD 256(SI), Z4, Z4
	VPORD 320(SI), Z5, Z5
	VPORD 384(SI), Z6, Z6
	VPORD 448(SI), Z7, Z7
	PREFETCHT0 4096(SI)
	PREFETCHT0 4160(SI)
	PREFETCHT0 4224(SI)
	PREFETCHT0 4288(SI)
	PREFETCHT0 4352(SI)
	PREFETCHT0 4416(SI)
	PREFETCHT0 4480(SI)
	PREFETCHT0 4544(SI)
	ADDQ  $512, SI
	SUBQ  $512, CX
	JG    loop
	VZEROUPPER
	RET

// func peakReadAVX2(p *byte, n int)
//
// Reads n bytes, a positive multiple of 512.
TEXT ·peakReadAVX2(SB), 0, $136-16
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX

	// Invariant: CX bytes from SI on are left.
loop:
	VPOR (SI), Y0, Y0
	VPOR 32(SI), Y1, Y1
	VPOR 64(SI), Y2, Y2
	VPOR 96(SI), Y3, Y3
	VPOR 128(SI), Y4, Y4
	VPOR 160(SI), Y5, Y5
	VPOR 192(SI), Y6, Y6
	VPOR 224(SI), Y7, Y7
	PREFETCHT0 4096(SI)
	PREFETCHT0 4160(SI)
	PREFETCHT0 4224(SI)
	PREFETCHT0 4288(SI)
	ADDQ $256, SI
	SUBQ $256, CX
	JG   loop
	VZEROUPPER
	RET

// READRUNS reads n bytes, a positive multiple of 2048, in 16 runs at a time, two lines of each in turn, and asks for those ahead of them.
// Invariants: at loop, CX bytes of each run are left, those of the first from SI on, AX bytes from run to run; at run, DX > 0 runs are left,
// the next at DI.
#define READRUNS(FETCH, ahead) \
	MOVQ p+0(FP), SI         \
	MOVQ n+8(FP), CX         \
	SHRQ $4, CX              \
	MOVQ CX, AX              \
loop:                            \
	MOVQ SI, DI              \
	MOVQ $16, DX             \
run:                             \
	VPOR 0(DI), Y0, Y0       \
	VPOR 32(DI), Y1, Y1      \
	VPOR 64(DI), Y2, Y2      \
	VPOR 96(DI), Y3, Y3      \
	FETCH ahead(DI)          \
	FETCH (ahead+64)(DI)     \
	ADDQ AX, DI              \
	DECQ DX                  \
	JNZ  run                 \
	ADDQ $128, SI            \
	SUBQ $128, CX            \
	JG   loop                \
	VZEROUPPER               \
	RET

// func peakReadRunsAVX2(p *byte, n int)
TEXT ·peakReadRunsAVX2(SB), 0, $136-16
	READRUNS(PREFETCHT0, 512)

// func peakReadRunsAMDAVX2(p *byte, n int)
TEXT ·peakReadRunsAMDAVX2(SB), 0, $136-16
	READRUNS(PREFETCHT1, 1024)

// Z24 and Z25 hold zeros, so that the chains cannot meet denormals or infinities.
#define SIXTEEN(op) \
	op Z24, Z25, Z0  \
	op Z24, Z25, Z1  \
	op Z24, Z25, Z2  \
	op Z24, Z25, Z3  \
	op Z24, Z25, Z4  \
	op Z24, Z25, Z5  \
	op Z24, Z25, Z6  \
	op Z24, Z25, Z7  \
	op Z24, Z25, Z8  \
	op Z24, Z25, Z9  \
	op Z24, Z25, Z10 \
	op Z24, Z25, Z11 \
	op Z24, Z25, Z12 \
	op Z24, Z25, Z13 \
	op Z24, Z25, Z14 \
	op Z24, Z25, Z15

// func peakInt8AVX512(iterations int)
//
// 16 VPDPBUSD of 64 products an iteration.
TEXT ·peakInt8AVX512(SB), 0, $136-8
	MOVQ   iterations+0(FP), CX
	VPXORD Z24, Z24, Z24
	VPXORD Z25, Z25, Z25

	// Invariant: CX iterations are left.
loop:
	SIXTEEN(VPDPBUSD)
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func peakF32AVX512(iterations int)
//
// 16 VFMADD231PS of 16 lanes an iteration.
TEXT ·peakF32AVX512(SB), 0, $136-8
	MOVQ   iterations+0(FP), CX
	VPXORD Z24, Z24, Z24
	VPXORD Z25, Z25, Z25
	VZEROALL

	// Invariant: CX iterations are left.
loop:
	SIXTEEN(VFMADD231PS)
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func peakF32AVX2(iterations int)
//
// 12 VFMADD231PS of 8 lanes an iteration.
TEXT ·peakF32AVX2(SB), 0, $136-8
	MOVQ     iterations+0(FP), CX
	VZEROALL

	// Invariant: CX iterations are left.
loop:
	VFMADD231PS Y14, Y15, Y0
	VFMADD231PS Y14, Y15, Y1
	VFMADD231PS Y14, Y15, Y2
	VFMADD231PS Y14, Y15, Y3
	VFMADD231PS Y14, Y15, Y4
	VFMADD231PS Y14, Y15, Y5
	VFMADD231PS Y14, Y15, Y6
	VFMADD231PS Y14, Y15, Y7
	VFMADD231PS Y14, Y15, Y8
	VFMADD231PS Y14, Y15, Y9
	VFMADD231PS Y14, Y15, Y10
	VFMADD231PS Y14, Y15, Y11
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET
