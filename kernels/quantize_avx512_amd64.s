//go:build !purego

#include "textflag.h"
#include "go_asm.h"

DATA quantF<>+0(SB)/4, $0x7fffffff // |x|
DATA quantF<>+4(SB)/4, $0x42fe0000 // 127
DATA quantF<>+8(SB)/4, $0x0d800000 // 2^-100
DATA quantF<>+12(SB)/4, $0x01010101
GLOBL quantF<>(SB), RODATA|NOPTR, $16

// func quantizeAVX512(p *quantArgs) (maxBits uint32)
//
//	for range p.tokens { for range p.blocks { the body of quantize for 32 values; maxBits = max(maxBits, bits(|x|)) } }
//
//	SI x · DI q · R8 packed quad · R9 d · R10 sx · R11 sum16 · R12 sum32 · R13 codes in tiles, of the token R15
//	BX block, counted from the quad's first · CX end of BX · R14 p
TEXT ·quantizeAVX512(SB), 0, $136-12
	MOVQ p+0(FP), R14
	MOVQ quantArgs_x(R14), SI
	MOVQ quantArgs_q(R14), DI
	MOVQ quantArgs_packed(R14), R8
	MOVQ quantArgs_d(R14), R9
	MOVQ quantArgs_sx(R14), R10
	MOVQ quantArgs_sum16(R14), R11
	MOVQ quantArgs_sum32(R14), R12
	MOVQ quantArgs_tiles(R14), R15
	MOVQ quantArgs_first(R14), CX
	ADDQ quantArgs_blocks(R14), CX
	VPBROADCASTD quantF<>+0(SB), Z31
	VMOVSS       quantF<>+4(SB), X15
	VMOVSS       quantF<>+8(SB), X14
	VPBROADCASTD quantF<>+12(SB), Y13
	VPXOR        X12, X12, X12 // running maximum of |x| as bits

	// Invariant: the tokens before that of SI, DI, R8-R12 and R15 are done.
token:
	MOVQ quantArgs_first(R14), BX
	MOVQ R15, R13

	// Invariant: blocks below BX are done; SI, DI, R9-R13 point at block BX.
loop:
	VMOVUPS       (SI), Z0
	VMOVUPS       64(SI), Z1
	VPANDD        Z31, Z0, Z2
	VPANDD        Z31, Z1, Z3
	VPMAXUD       Z3, Z2, Z2 // order of |x| as integers is its order as floats, NaN last
	VEXTRACTI64X4 $1, Z2, Y3
	VPMAXUD       Y3, Y2, Y2
	VEXTRACTI128  $1, Y2, X3
	VPMAXUD       X3, X2, X2
	VPSHUFD       $0x4e, X2, X3
	VPMAXUD       X3, X2, X2
	VPSHUFD       $0xb1, X2, X3
	VPMAXUD       X3, X2, X2
	VPMAXUD       X2, X12, X12

	VDIVSS       X15, X2, X4     // d = amax / 127
	VDIVSS       X2, X15, X5     // id = 127 / amax
	VCMPSS       $13, X14, X2, K1 // amax >= 2^-100
	VMOVAPS.Z    X4, K1, X4
	VMOVAPS.Z    X5, K1, X5
	VBROADCASTSS X5, Z5
	VMULPS       Z5, Z0, Z0
	VMULPS       Z5, Z1, Z1
	VCVTPS2DQ    Z0, Z0 // MXCSR: nearest, ties to even
	VCVTPS2DQ    Z1, Z1
	VPMOVDB      Z0, X6
	VPMOVDB      Z1, X7
	VMOVDQU      X6, (DI)
	VMOVDQU      X7, 16(DI)

	TESTQ   R13, R13
	JEQ     pack
	VMOVDQU X6, (R13)
	VMOVDQU X7, 16(R13)
	ADDQ    $512, R13

pack:
	// packed: lanes of quad b/4 in the order 0 2 1 3, first halves before second halves
	MOVQ    BX, AX
	ANDQ    $~3, AX
	SHLQ    $5, AX
	MOVQ    BX, DX
	ANDQ    $1, DX
	SHLQ    $5, DX
	ADDQ    DX, AX
	MOVQ    BX, DX
	ANDQ    $2, DX
	SHLQ    $3, DX
	ADDQ    DX, AX
	VMOVDQU X6, (R8)(AX*1)
	VMOVDQU X7, 64(R8)(AX*1)

	VINSERTI128  $1, X7, Y6, Y6
	VPXOR        Y8, Y8, Y8
	VPDPBUSD     Y6, Y13, Y8
	VPHADDD      Y8, Y8, Y8
	VPHADDD      Y8, Y8, Y8
	VEXTRACTI128 $1, Y8, X9
	VMOVD        X8, AX
	VMOVD        X9, DX
	MOVL         AX, (R11)
	MOVL         DX, 4(R11)
	ADDL         DX, AX
	MOVL         AX, (R12)
	VPXOR        X10, X10, X10
	VCVTSI2SSL   AX, X10, X10
	VMULSS       X4, X10, X10
	VMOVSS       X4, (R9)
	VMOVSS       X10, (R10)

	ADDQ $128, SI
	ADDQ $32, DI
	ADDQ $4, R9
	ADDQ $4, R10
	ADDQ $8, R11
	ADDQ $4, R12
	INCQ BX
	CMPQ BX, CX
	JLT  loop

	DECQ quantArgs_tokens(R14)
	JEQ  done
	ADDQ quantArgs_nextQ(R14), DI
	ADDQ quantArgs_nextPacked(R14), R8
	MOVQ quantArgs_nextD(R14), AX
	ADDQ AX, R9
	ADDQ AX, R10
	ADDQ AX, R12
	LEAQ (R11)(AX*2), R11
	TESTQ R15, R15
	JEQ  token
	ADDQ $32, R15
	DECQ quantArgs_tileLeft(R14)
	JNE  token
	MOVQ $16, quantArgs_tileLeft(R14)
	ADDQ quantArgs_nextTile(R14), R15
	JMP  token

done:
	VMOVD X12, AX
	MOVL  AX, maxBits+8(FP)
	VZEROUPPER
	RET
