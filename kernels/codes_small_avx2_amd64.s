//go:build !purego

#include "textflag.h"
#include "unpack_avx2_amd64.h"
#include "unpack_small_avx2_amd64.h"

// Each function decodes CX blocks from SI: codes to DI, scales to R8, minima to R9; what lies before is done.
#define BEGIN \
	MOVQ q+0(FP), DI   \
	MOVQ sc+8(FP), R8  \
	MOVQ mn+16(FP), R9 \
	MOVQ row+24(FP), SI \
	MOVQ nb+32(FP), CX

#define NEXT(bytes, weights, scales) \
	ADDQ $bytes, SI   \
	ADDQ $weights, DI \
	ADDQ $scales, R8  \
	ADDQ $scales, R9  \
	DECQ CX           \
	JNZ  loop         \
	VZEROUPPER        \
	RET

// func codesIQ4_NLAVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesIQ4_NLAVX2(SB), 0, $136-40
	BEGIN
	NIBBLE_CONSTANTS
	TABLE(·IQ4Values)
loop:
	MOVWLZX   (SI), AX
	VMOVD     AX, X0
	VCVTPH2PS X0, X0
	VMOVSS    X0, (R8)
	LOOKUP(2(SI), Y1)
	VMOVDQU   Y1, (DI)
	NEXT(18, 32, 4)

// func codesMXFP4AVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesMXFP4AVX2(SB), 0, $136-40
	BEGIN
	NIBBLE_CONSTANTS
	TABLE(·FP4Values)
	LEAQ ·HalfE8M0(SB), R10
loop:
	MOVBLZX (SI), AX
	MOVL    (R10)(AX*4), AX
	MOVL    AX, (R8)
	LOOKUP(1(SI), Y1)
	VMOVDQU Y1, (DI)
	NEXT(17, 32, 4)

#define XS(g) \
	LOOKUP((8+16*g)(SI), Y1) \
	VMOVDQU Y1, (32*g)(DI)

// func codesIQ4_XSAVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesIQ4_XSAVX2(SB), 0, $136-40
	BEGIN
	NIBBLE_CONSTANTS
	XS_CONSTANTS
	TABLE(·IQ4Values)
loop:
	XS_SCALES
	VMOVUPS Y0, (R8)
	XS(0)
	XS(1)
	XS(2)
	XS(3)
	XS(4)
	XS(5)
	XS(6)
	XS(7)
	NEXT(136, 256, 32)

#define TWO(h, r) \
	CRUMBS(r, Y0, Y1) \
	VMOVDQU Y1, (128*h+32*r)(DI)

#define Q2_K_HALF(h) \
	VMOVDQU (16+32*h)(SI), Y0 \
	TWO(h, 0)                 \
	TWO(h, 1)                 \
	TWO(h, 2)                 \
	TWO(h, 3)

// func codesQ2_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ2_KAVX2(SB), 0, $136-40
	BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(3, X14, Y14)
loop:
	Q2_K_SCALES
	VMOVUPS Y0, (R8)
	VMOVUPS Y1, 32(R8)
	VMOVUPS Y2, (R9)
	VMOVUPS Y3, 32(R9)
	Q2_K_HALF(0)
	Q2_K_HALF(1)
	NEXT(84, 256, 64)

#define THREE(h, r, SHIFT, n) \
	CRUMBS(r, Y0, Y1)            \
	THIRD(SHIFT, n, Y3, Y1, Y2)  \
	VPSUBB  Y13, Y1, Y1          \
	VMOVDQU Y1, (128*h+32*r)(DI)

// func codesQ3_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ3_KAVX2(SB), 0, $136-40
	BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(3, X14, Y14)
	BYTES(4, X13, Y13)
	BYTES(0x30, X12, Y12)
	BYTES(32, X11, Y11)
loop:
	Q3_K_SCALES
	VMOVUPS Y0, (R8)
	VMOVUPS Y1, 32(R8)
	VMOVDQU (SI), Y3
	VMOVDQU 32(SI), Y0
	THREE(0, 0, VPSLLW, 2)
	THREE(0, 1, VPSLLW, 1)
	THREE(0, 2, VPSRLW, 0)
	THREE(0, 3, VPSRLW, 1)
	VMOVDQU 64(SI), Y0
	THREE(1, 0, VPSRLW, 2)
	THREE(1, 1, VPSRLW, 3)
	THREE(1, 2, VPSRLW, 4)
	THREE(1, 3, VPSRLW, 5)
	NEXT(110, 256, 64)
