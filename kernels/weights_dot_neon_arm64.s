//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"
#include "weights_neon_arm64.h"

// PREFETCH256 asks for the next 256 bytes of what is read after these rows.
#define PREFETCH256 \
	PRFM (R23), PLDL1KEEP    \
	PRFM 64(R23), PLDL1KEEP  \
	PRFM 128(R23), PLDL1KEEP \
	PRFM 192(R23), PLDL1KEEP \
	ADD  $256, R23

#define COLUMN(j, i, x, rows) \
	FMLAE4S(i, x, 0, 28+rows) \
	FMLAE4S(i, x, 1, 29+rows)

#define WIDEN(v, c) \
	FCVTL4S(c, 0)  \
	FCVTL24S(c, 1)

// func dotF16x128(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF16x128(SB), 0, $136-48
	DOTARGS

	// invariant: V28 to V31 hold the chains over the columns before R2
loop:
	VLD1.P 32(R21), [V24.S4, V25.S4]
	HALVES0
	HALFCOLUMNS(0)
	HALVES1
	HALFCOLUMNS(2)
	PREFETCH256
	SUBS $1, R22
	BGT  loop
	VST1 [V28.S4, V29.S4, V30.S4, V31.S4], (R0)
	RET

#undef WIDEN
#define WIDEN(v, c) \
	VZIP1 v.H8, V26.H8, V0.H8 \
	VZIP2 v.H8, V26.H8, V1.H8

// func dotBF16x128(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotBF16x128(SB), 0, $136-48
	DOTARGS

	// invariant: V28 to V31 hold the chains over the columns before R2
loop:
	VLD1.P 32(R21), [V24.S4, V25.S4]
	HALVES0
	HALFCOLUMNS(0)
	HALVES1
	HALFCOLUMNS(2)
	PREFETCH256
	SUBS $1, R22
	BGT  loop
	VST1 [V28.S4, V29.S4, V30.S4, V31.S4], (R0)
	RET

// func dotF32x128(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF32x128(SB), 0, $136-48
	DOTARGS

	// invariant: V28 to V31 hold the chains over the columns before R2
loop:
	VLD1.P 16(R21), [V24.S4]
	FOUR0
	FMLAE4S(0, 24, 0, 28)
	FMLAE4S(1, 24, 1, 28)
	FMLAE4S(2, 24, 2, 28)
	FMLAE4S(3, 24, 3, 28)
	FOUR1
	FMLAE4S(0, 24, 0, 29)
	FMLAE4S(1, 24, 1, 29)
	FMLAE4S(2, 24, 2, 29)
	FMLAE4S(3, 24, 3, 29)
	FOUR2
	FMLAE4S(0, 24, 0, 30)
	FMLAE4S(1, 24, 1, 30)
	FMLAE4S(2, 24, 2, 30)
	FMLAE4S(3, 24, 3, 30)
	FOUR3
	FMLAE4S(0, 24, 0, 31)
	FMLAE4S(1, 24, 1, 31)
	FMLAE4S(2, 24, 2, 31)
	FMLAE4S(3, 24, 3, 31)
	PREFETCH256
	SUBS $1, R22
	BGT  loop
	VST1 [V28.S4, V29.S4, V30.S4, V31.S4], (R0)
	RET
