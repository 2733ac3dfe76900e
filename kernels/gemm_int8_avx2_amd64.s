//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "gemm_int8_avx2_amd64.h"

// In each loop: out holds the chains over the groups before BX; R15 groups are left.

#define UNBIAS_ALL \
	VPBROADCASTD tileArgsAVX2_bias(AX), Y8 \
	UNBIAS((R12), Y0, Y1)        \
	UNBIAS((R12)(R13*1), Y2, Y3) \
	UNBIAS((R12)(R13*2), Y4, Y5) \
	UNBIAS((R12)(R14*1), Y6, Y7)

#define CHAIN_ALL \
	CHAIN(0, (R10), Y0, Y1)          \
	CHAIN(64, (R10)(R13*1), Y2, Y3)  \
	CHAIN(128, (R10)(R13*2), Y4, Y5) \
	CHAIN(192, (R10)(R14*1), Y6, Y7)

#define MINIMUM_ALL \
	MINIMUM((R11), Y0, Y1)        \
	MINIMUM((R11)(R13*1), Y2, Y3) \
	MINIMUM((R11)(R13*2), Y4, Y5) \
	MINIMUM((R11)(R14*1), Y6, Y7)

#define NEXT32 \
	ADDQ $512, BX \
	ADDQ $128, CX \
	ADDQ $128, DX \
	ADDQ $32, SI  \
	ADDQ $4, R10  \
	ADDQ $4, R11  \
	ADDQ $4, R12  \
	DECQ R15

// func tileSignedAVX2(args *tileArgsAVX2)
TEXT ·tileSignedAVX2(SB), 0, $136-8
	BEGIN
group:
	EACH(ZERO)
	SIGNED_QUAD(0)
	SIGNED_QUAD(1)
	SIGNED_QUAD(2)
	SIGNED_QUAD(3)
	SIGNED_QUAD(4)
	SIGNED_QUAD(5)
	SIGNED_QUAD(6)
	SIGNED_QUAD(7)
	CHAIN_ALL
	EACH(STORE)
	NEXT32
	JNZ group
	VZEROUPPER
	RET

// func tile4BitAVX2(args *tileArgsAVX2)
TEXT ·tile4BitAVX2(SB), 0, $136-8
	BEGIN
group:
	QUAD(0, SMALL0)
	QUAD(1, SMALL)
	QUAD(2, SMALL)
	QUAD(3, SMALL)
	QUAD(4, SMALL)
	QUAD(5, SMALL)
	QUAD(6, SMALL)
	QUAD(7, SMALL)
	EACH(WIDEN)
	CMPQ tileArgsAVX2_bias(AX), $0
	JEQ  unbiased
	UNBIAS_ALL
unbiased:
	CHAIN_ALL
	CMPQ tileArgsAVX2_m(AX), $0
	JEQ  stored
	MINIMUM_ALL
stored:
	EACH(STORE)
	NEXT32
	JNZ group
	VZEROUPPER
	RET

// func tile5BitAVX2(args *tileArgsAVX2)
TEXT ·tile5BitAVX2(SB), 0, $256-8
	BEGIN
group:
	QUAD(0, SMALL0)
	QUAD(1, SMALL)
	QUAD(2, SMALL)
	QUAD(3, SMALL)
	EACH(KEEP_WIDE)
	QUAD(4, SMALL0)
	QUAD(5, SMALL)
	QUAD(6, SMALL)
	QUAD(7, SMALL)
	EACH(ADD_KEPT)
	CMPQ tileArgsAVX2_bias(AX), $0
	JEQ  unbiased
	UNBIAS_ALL
unbiased:
	CHAIN_ALL
	CMPQ tileArgsAVX2_m(AX), $0
	JEQ  stored
	MINIMUM_ALL
stored:
	EACH(STORE)
	NEXT32
	JNZ group
	VZEROUPPER
	RET

#define UNBIAS16_ALL \
	VPBROADCASTD tileArgsAVX2_bias(AX), Y8 \
	UNBIAS((R12), Y0, Y1)        \
	UNBIAS((R12)(R13*2), Y2, Y3) \
	UNBIAS((R12)(R13*4), Y4, Y5) \
	UNBIAS((R12)(R14*2), Y6, Y7)

// func tile6BitAVX2(args *tileArgsAVX2)
// Groups of 16; R11 toggles between 0 and 4 bytes of advance of d.
TEXT ·tile6BitAVX2(SB), 0, $256-8
	BEGIN
	XORL R11, R11
group:
	QUAD(0, SMALL0)
	QUAD(1, SMALL)
	EACH(KEEP_WIDE)
	QUAD(2, SMALL0)
	QUAD(3, SMALL)
	EACH(ADD_KEPT)
	UNBIAS16_ALL
	CHAIN_ALL
	EACH(STORE)
	ADDQ $256, BX
	ADDQ $128, CX
	ADDQ $16, SI
	ADDQ R11, R10
	XORQ $4, R11
	ADDQ $4, R12
	DECQ R15
	JNZ  group
	VZEROUPPER
	RET

// func tile3BitAVX2(args *tileArgsAVX2)
// Groups of 16; R11 as in tile6Bit.
TEXT ·tile3BitAVX2(SB), 0, $136-8
	BEGIN
	XORL R11, R11
group:
	QUAD(0, SMALL0)
	QUAD(1, SMALL)
	QUAD(2, SMALL)
	QUAD(3, SMALL)
	EACH(WIDEN)
	CMPQ tileArgsAVX2_bias(AX), $0
	JEQ  unbiased
	UNBIAS16_ALL
unbiased:
	CHAIN_ALL
	CMPQ tileArgsAVX2_m(AX), $0
	JEQ  stored
	MINIMUM16_ALL
stored:
	EACH(STORE)
	ADDQ $256, BX
	ADDQ $128, CX
	ADDQ $128, DX
	ADDQ $16, SI
	ADDQ R11, R10
	XORQ $4, R11
	ADDQ $4, R12
	DECQ R15
	JNZ  group
	VZEROUPPER
	RET
