//go:build !purego

#include "textflag.h"
#include "ask_amd64.h"

DATA round16F<>+0(SB)/4, $0x7fffffff // |x|
DATA round16F<>+4(SB)/4, $0x46fffe00 // 32767
DATA round16F<>+8(SB)/4, $0x1f800000 // 2^-64
GLOBL round16F<>(SB), RODATA|NOPTR, $12

// SCALE16 is as in round16_avx512_amd64.s, of Y1, with X11 = 32767.
#define SCALE16(ready, bad) \
	VEXTRACTI128 $1, Y1, X2; \
	VPMAXUD      X2, X1, X1; \
	VPSHUFD      $0x4e, X1, X2; \
	VPMAXUD      X2, X1, X1; \
	VPSHUFD      $0xb1, X1, X2; \
	VPMAXUD      X2, X1, X1; \
	VMOVD        X1, AX; \
	VDIVSS       X11, X1, X2; \
	VDIVSS       X1, X11, X3; \
	CMPL         AX, $0x7f800000; \
	JHS          bad; \
	CMPL         AX, $0x0d800000; \
	JHS          ready; \
	VPXOR        X2, X2, X2; \
	VPXOR        X3, X3, X3

// CODES16 writes 16 codes of Y0, Y4 times Y3.
#define CODES16(at) \
	VMULPS    Y3, Y0, Y0; \
	VMULPS    Y3, Y4, Y4; \
	VCVTPS2DQ Y0, Y0; \
	VCVTPS2DQ Y4, Y4; \
	VPACKSSDW Y4, Y0, Y0; \
	VPERMQ    $0xd8, Y0, Y0; \
	VMOVDQU   Y0, at(DI)

// func round16x256(codes *int16, d, x *float32, blocks int)
TEXT ·round16x256(SB), 0, $136-32
	MOVQ         codes+0(FP), DI
	MOVQ         d+8(FP), BX
	MOVQ         x+16(FP), SI
	MOVQ         blocks+24(FP), CX
	VPBROADCASTD round16F<>+0(SB), Y10
	VMOVSS       round16F<>+4(SB), X11

	// invariant: the blocks before SI are rounded, CX > 0 are left
block:
	VPAND   (SI), Y10, Y1
	VPAND   32(SI), Y10, Y2
	VPMAXUD Y2, Y1, Y1
	VPAND   64(SI), Y10, Y2
	VPMAXUD Y2, Y1, Y1
	VPAND   96(SI), Y10, Y2
	VPMAXUD Y2, Y1, Y1
	SCALE16(ready, bad)

ready:
	VBROADCASTSS X3, Y3
	VMOVUPS      (SI), Y0
	VMOVUPS      32(SI), Y4
	CODES16(0)
	VMOVUPS      64(SI), Y0
	VMOVUPS      96(SI), Y4
	CODES16(32)

next:
	VMOVSS X2, (BX)
	ADDQ   $128, SI
	ADDQ   $64, DI
	ADDQ   $4, BX
	DECQ   CX
	JNE    block
	VZEROUPPER
	RET

bad:
	MOVL    $0x7fc00000, AX
	VMOVD   AX, X2
	VPXOR   X0, X0, X0
	VMOVDQU Y0, (DI)
	VMOVDQU Y0, 32(DI)
	JMP     next

// WEIGHTS makes Y0, Y4 of the block at: p*s of the keys that the masks at R12 and below hold, 0 where p is below Y9 = 2^-64.
#define WEIGHTS(at, below) \
	VMOVUPS (SI)(at*1), Y0; \
	VMOVUPS 32(SI)(at*1), Y4; \
	VCMPPS  $5, Y9, Y0, Y5; \
	VCMPPS  $5, Y9, Y4, Y6; \
	VANDPS  (R12), Y5, Y5; \
	VANDPS  32(R12), Y6, Y6; \
	VANDPS  (below), Y5, Y5; \
	VANDPS  32(below), Y6, Y6; \
	VANDPS  Y5, Y0, Y0; \
	VANDPS  Y6, Y4, Y4; \
	VMULPS  (DX)(at*1), Y0, Y0; \
	VMULPS  32(DX)(at*1), Y4, Y4; \
	VANDPS  Y5, Y0, Y0; \
	VANDPS  Y6, Y4, Y4

// func weights16x256(codes *int16, d, p, s *float32, lo, hi int, at uintptr, run, back int)
//
// R11, R8 = offsets in p of the first and the last block of 16 with a key in [lo, hi); R9, R10 = masks of the keys from lo in the first
// and below hi in the last, BX = the mask of all.
TEXT ·weights16x256(SB), 0, $136-72
	MOVQ         codes+0(FP), DI
	MOVQ         p+16(FP), SI
	MOVQ         s+24(FP), DX
	LEAQ         ·blockMask(SB), BX
	ADDQ         $64, BX
	MOVQ         hi+40(FP), R8
	DECQ         R8
	MOVQ         R8, CX
	ANDQ         $15, CX
	SHLQ         $2, CX
	LEAQ         60(BX), R10
	SUBQ         CX, R10
	SHRQ         $4, R8
	SHLQ         $6, R8
	MOVQ         lo+32(FP), R11
	MOVQ         R11, CX
	ANDQ         $15, CX
	SHLQ         $2, CX
	MOVQ         BX, R9
	SUBQ         CX, R9
	SHRQ         $4, R11
	SHLQ         $5, R11
	ADDQ         R11, DI
	ADDQ         R11, R11
	VMOVSS       round16F<>+4(SB), X11
	VPBROADCASTD round16F<>+8(SB), Y9
	VPXOR        Y1, Y1, Y1
	MOVQ         R11, CX
	MOVQ         R9, R12
	MOVQ         BX, R13

	// invariant: Y1 = the largest weights of the blocks before CX, by lanes
largest:
	CMPQ CX, R8
	JNE  largestmask
	MOVQ R10, R13

largestmask:
	WEIGHTS(CX, R13)
	VPMAXUD Y0, Y1, Y1
	VPMAXUD Y4, Y1, Y1
	MOVQ    BX, R12
	ADDQ    $64, CX
	CMPQ    CX, R8
	JLS     largest
	SCALE16(ready, bad)

ready:
	VBROADCASTSS X3, Y3
	MOVQ         R9, R12
	MOVQ         BX, AX
	MOVQ         at+48(FP), R14
	MOVQ         run+56(FP), R13
	MOVQ         back+64(FP), R15

	// invariant: codes of the blocks before R11 are written, the next belong at DI
codes:
	CMPQ R11, R8
	JNE  codesmask
	MOVQ R10, AX

codesmask:
	ASK(R11, R8)
	WEIGHTS(R11, AX)
	CODES16(0)
	MOVQ BX, R12
	ADDQ $64, R11
	ADDQ $32, DI
	CMPQ R11, R8
	JLS  codes

done:
	MOVQ   d+8(FP), BX
	VMOVSS X2, (BX)
	VZEROUPPER
	RET

bad:
	MOVL  $0x7fc00000, AX
	VMOVD AX, X2
	VPXOR X0, X0, X0

	// invariant: codes of the blocks before R11 are zeros
zeros:
	VMOVDQU Y0, (DI)
	ADDQ    $64, R11
	ADDQ    $32, DI
	CMPQ    R11, R8
	JLS     zeros
	JMP     done
