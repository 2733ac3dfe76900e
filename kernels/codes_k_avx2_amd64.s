//go:build !purego

#include "textflag.h"
#include "unpack_avx2_amd64.h"

// Each function decodes CX blocks of 256 from SI: codes to DI, scales to R8, minima to R9; what lies before is done.
#define BEGIN \
	MOVQ q+0(FP), DI   \
	MOVQ sc+8(FP), R8  \
	MOVQ mn+16(FP), R9 \
	MOVQ row+24(FP), SI \
	MOVQ nb+32(FP), CX

#define NEXT(bytes, scales) \
	ADDQ $bytes, SI  \
	ADDQ $256, DI    \
	ADDQ $scales, R8 \
	ADDQ $scales, R9 \
	DECQ CX

#define Q4_K_PAIR(i) \
	VMOVDQU (16+32*i)(SI), Y0   \
	VPSRLW  $4, Y0, Y1          \
	VPAND   Y15, Y0, Y0         \
	VPAND   Y15, Y1, Y1         \
	VMOVDQU Y0, (64*i)(DI)      \
	VMOVDQU Y1, (64*i+32)(DI)

// func codesQ4_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ4_KAVX2(SB), 0, $136-40
	BEGIN
	BYTES(0x0f, X15, Y15)
loop:
	K_SCALES(X0, Y0, X1, Y1, X2, Y2)
	VMOVUPS Y0, (R8)
	VMOVUPS Y1, (R9)
	Q4_K_PAIR(0)
	Q4_K_PAIR(1)
	Q4_K_PAIR(2)
	Q4_K_PAIR(3)
	NEXT(144, 32)
	JNZ  loop
	VZEROUPPER
	RET

// Bits 2i and 2i+1 of the high bytes Y3 are the fifth bits of groups 2i and 2i+1; Y3 has been shifted down 2i bits.
#define Q5_K_PAIR(i) \
	VMOVDQU (48+32*i)(SI), Y0 \
	VPSRLW  $4, Y0, Y1        \
	VPAND   Y15, Y0, Y0       \
	VPAND   Y15, Y1, Y1       \
	VPSLLW  $4, Y3, Y4        \
	VPAND   Y11, Y4, Y4       \
	VPOR    Y4, Y0, Y0        \
	VPSLLW  $3, Y3, Y4        \
	VPAND   Y11, Y4, Y4       \
	VPOR    Y4, Y1, Y1        \
	VPSRLW  $2, Y3, Y3        \
	VMOVDQU Y0, (64*i)(DI)    \
	VMOVDQU Y1, (64*i+32)(DI)

// func codesQ5_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ5_KAVX2(SB), 0, $136-40
	BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(0x10, X11, Y11)
loop:
	K_SCALES(X0, Y0, X1, Y1, X2, Y2)
	VMOVUPS Y0, (R8)
	VMOVUPS Y1, (R9)
	VMOVDQU 16(SI), Y3
	Q5_K_PAIR(0)
	Q5_K_PAIR(1)
	Q5_K_PAIR(2)
	Q5_K_PAIR(3)
	NEXT(176, 32)
	JNZ  loop
	VZEROUPPER
	RET

// Half h of a Q6_K block: four runs of 32 codes from 64 bytes of nibbles and 32 bytes of pairs of high bits.
#define Q6_K_HALF(h) \
	VMOVDQU (64*h)(SI), Y0      \
	VMOVDQU (64*h+32)(SI), Y1   \
	VMOVDQU (128+32*h)(SI), Y2  \
	VPSRLW  $4, Y0, Y3          \
	VPSRLW  $4, Y1, Y4          \
	VPAND   Y15, Y0, Y0         \
	VPAND   Y15, Y1, Y1         \
	VPAND   Y15, Y3, Y3         \
	VPAND   Y15, Y4, Y4         \
	VPSLLW  $4, Y2, Y5          \
	VPAND   Y14, Y5, Y5         \
	VPOR    Y5, Y0, Y0          \
	VPSLLW  $2, Y2, Y5          \
	VPAND   Y14, Y5, Y5         \
	VPOR    Y5, Y1, Y1          \
	VPAND   Y14, Y2, Y5         \
	VPOR    Y5, Y3, Y3          \
	VPSRLW  $2, Y2, Y5          \
	VPAND   Y14, Y5, Y5         \
	VPOR    Y5, Y4, Y4          \
	VPSUBB  Y13, Y0, Y0         \
	VPSUBB  Y13, Y1, Y1         \
	VPSUBB  Y13, Y3, Y3         \
	VPSUBB  Y13, Y4, Y4         \
	VMOVDQU Y0, (128*h)(DI)     \
	VMOVDQU Y1, (128*h+32)(DI)  \
	VMOVDQU Y3, (128*h+64)(DI)  \
	VMOVDQU Y4, (128*h+96)(DI)

// func codesQ6_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)
TEXT ·codesQ6_KAVX2(SB), 0, $136-40
	BEGIN
	BYTES(0x0f, X15, Y15)
	BYTES(0x30, X14, Y14)
	BYTES(0x20, X13, Y13)
loop:
	VPBROADCASTW 208(SI), X2
	VCVTPH2PS    X2, Y2
	VPMOVSXBD    192(SI), Y0
	VPMOVSXBD    200(SI), Y1
	VCVTDQ2PS    Y0, Y0
	VCVTDQ2PS    Y1, Y1
	VMULPS       Y2, Y0, Y0
	VMULPS       Y2, Y1, Y1
	VMOVUPS      Y0, (R8)
	VMOVUPS      Y1, 32(R8)
	Q6_K_HALF(0)
	Q6_K_HALF(1)
	NEXT(210, 64)
	JNZ  loop
	VZEROUPPER
	RET
