//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

#define DOT(acc, v) \
	VMOVI $0, v.B16; \
	SDOT4S(16, 20, acc); \
	SDOT4S(17, 21, acc)

#define LOADX VLD1.P 32(R8), [V16.B16, V17.B16]
#define LOADW(row) VLD1.P 32(row), [V20.B16, V21.B16]
#define LOADD FMOVS.P 4(R9), F5

// func dotRows32DotProd(args *rowsArgs128)
TEXT ·dotRows32DotProd(SB), 0, $136-8
#include "gemv_neon_arm64.h"

#undef DOT
#undef LOADX
#undef LOADW
#undef LOADD

#define DOT(acc, v) \
	VMOVI $0, v.B16; \
	SDOT4S(16, 20, acc)

#define LOADX VLD1.P 16(R8), [V16.B16]
#define LOADW(row) VLD1.P 16(row), [V20.B16]

// Two groups share a d: R11 is even at the first.
#define LOADD \
	FMOVS (R9), F5; \
	AND   $1, R11, R12; \
	ADD   R12<<2, R9

// func dotRows16DotProd(args *rowsArgs128)
TEXT ·dotRows16DotProd(SB), 0, $136-8
#include "gemv_neon_arm64.h"
