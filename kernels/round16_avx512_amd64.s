//go:build !purego

#include "textflag.h"
#include "ask_amd64.h"

DATA round16F<>+0(SB)/4, $0x7fffffff // |x|
DATA round16F<>+4(SB)/4, $0x46fffe00 // 32767
DATA round16F<>+8(SB)/4, $0x1f800000 // 2^-64
GLOBL round16F<>(SB), RODATA|NOPTR, $12

// SCALE16 makes of the numbers in Z1, as bits, the scale and its inverse X2, X3: of the largest, in AX, or of zero where that is below
// 2^-100. Codes are bad where it is not finite. The order of bits is that of the numbers, NaN last. X30 = 32767.
#define SCALE16(ready, bad) \
	VEXTRACTI64X4 $1, Z1, Y2; \
	VPMAXUD       Y2, Y1, Y1; \
	VEXTRACTI128  $1, Y1, X2; \
	VPMAXUD       X2, X1, X1; \
	VPSHUFD       $0x4e, X1, X2; \
	VPMAXUD       X2, X1, X1; \
	VPSHUFD       $0xb1, X1, X2; \
	VPMAXUD       X2, X1, X1; \
	VMOVD         X1, AX; \
	VDIVSS        X30, X1, X2; \
	VDIVSS        X1, X30, X3; \
	CMPL          AX, $0x7f800000; \
	JHS           bad; \
	CMPL          AX, $0x0d800000; \
	JHS           ready; \
	VPXOR         X2, X2, X2; \
	VPXOR         X3, X3, X3

// func round16x512(codes *int16, d, x *float32, blocks int)
TEXT ·round16x512(SB), 0, $136-32
	MOVQ         codes+0(FP), DI
	MOVQ         d+8(FP), BX
	MOVQ         x+16(FP), SI
	MOVQ         blocks+24(FP), CX
	VPBROADCASTD round16F<>+0(SB), Z31
	VMOVSS       round16F<>+4(SB), X30

	// invariant: the blocks before SI are rounded, CX > 0 are left
block:
	VPANDD  (SI), Z31, Z1
	VPANDD  64(SI), Z31, Z2
	VPMAXUD Z2, Z1, Z1
	SCALE16(ready, bad)

ready:
	VBROADCASTSS X3, Z3
	VMULPS       (SI), Z3, Z0
	VMULPS       64(SI), Z3, Z1
	VCVTPS2DQ    Z0, Z0
	VCVTPS2DQ    Z1, Z1
	VPMOVDW      Z0, (DI)
	VPMOVDW      Z1, 32(DI)

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
	MOVL      $0x7fc00000, AX
	VMOVD     AX, X2
	VPXORD    Z0, Z0, Z0
	VMOVDQU32 Z0, (DI)
	JMP       next

// func weights16x512(codes *int16, d, p, s *float32, lo, hi int, at uintptr, run, back int)
//
// R11, R8 = offsets in p of the first and the last block of 16 with a key in [lo, hi); R9, R10 = the keys of those two.
TEXT ·weights16x512(SB), 0, $136-72
	MOVQ         codes+0(FP), DI
	MOVQ         p+16(FP), SI
	MOVQ         s+24(FP), DX
	MOVQ         lo+32(FP), R11
	MOVQ         hi+40(FP), R8
	DECQ         R8
	MOVL         R8, CX
	ANDL         $15, CX
	XORL         $15, CX
	MOVL         $0xffff, R10
	SHRL         CX, R10
	MOVL         R11, CX
	ANDL         $15, CX
	MOVL         $0xffff, R9
	SHLL         CX, R9
	ANDL         $0xffff, R9
	SHRQ         $4, R11
	SHLQ         $5, R11
	ADDQ         R11, DI
	ADDQ         R11, R11
	SHRQ         $4, R8
	SHLQ         $6, R8
	VMOVSS       round16F<>+4(SB), X30
	VPBROADCASTD round16F<>+8(SB), Z29
	VPXORD       Z1, Z1, Z1
	MOVQ         R11, CX
	MOVL         R9, R12

	// invariant: Z1 = the largest weights of the blocks before CX, lane by lane
largest:
	CMPQ CX, R8
	JNE  largestmask
	ANDL R10, R12

largestmask:
	KMOVW    R12, K1
	VMOVUPS  (SI)(CX*1), Z0
	VCMPPS   $5, Z29, Z0, K1, K2 // not below 2^-64
	VMULPS.Z (DX)(CX*1), Z0, K2, Z0
	VPMAXUD  Z0, Z1, Z1
	MOVL     $0xffff, R12
	ADDQ     $64, CX
	CMPQ     CX, R8
	JLS      largest
	SCALE16(ready, bad)

ready:
	VBROADCASTSS X3, Z3
	MOVL         R9, R12
	MOVQ         at+48(FP), R14
	MOVQ         run+56(FP), R13
	MOVQ         back+64(FP), R15

	// invariant: codes of the blocks before R11 are written, the next belong at DI
codes:
	CMPQ R11, R8
	JNE  codesmask
	ANDL R10, R12

codesmask:
	ASK(R11, R8)
	KMOVW     R12, K1
	VMOVUPS   (SI)(R11*1), Z0
	VCMPPS    $5, Z29, Z0, K1, K2
	VMULPS.Z  (DX)(R11*1), Z0, K2, Z0
	VMULPS    Z3, Z0, Z0
	VCVTPS2DQ Z0, Z0
	VPMOVDW   Z0, (DI)
	MOVL      $0xffff, R12
	ADDQ      $64, R11
	ADDQ      $32, DI
	CMPQ      R11, R8
	JLS       codes

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
