//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// Two products of int8 fit in 16 bits.
#define DOT(acc, v) \
	SMULL8H(16, 20, 24); \
	SMLAL28H(16, 20, 24); \
	SMULL8H(17, 21, 25); \
	SMLAL28H(17, 21, 25); \
	SADDLP4S(24, acc); \
	SADALP4S(25, acc)

#define LOADX VLD1.P 32(R8), [V16.B16, V17.B16]
#define LOADW(row) VLD1.P 32(row), [V20.B16, V21.B16]
#define LOADD FMOVS.P 4(R9), F5

// func dotRows32NEON(args *rowsArgs128)
TEXT ·dotRows32NEON(SB), 0, $136-8
#include "gemv_neon_arm64.h"

#undef DOT
#undef LOADX
#undef LOADW
#undef LOADD

#define DOT(acc, v) \
	SMULL8H(16, 20, 24); \
	SMLAL28H(16, 20, 24); \
	SADDLP4S(24, acc)

#define LOADX VLD1.P 16(R8), [V16.B16]
#define LOADW(row) VLD1.P 16(row), [V20.B16]

// Two groups share a d: R11 is even at the first.
#define LOADD \
	FMOVS (R9), F5; \
	AND   $1, R11, R12; \
	ADD   R12<<2, R9

// func dotRows16NEON(args *rowsArgs128)
TEXT ·dotRows16NEON(SB), 0, $136-8
#include "gemv_neon_arm64.h"
