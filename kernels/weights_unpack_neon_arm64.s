//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"
#include "weights_neon_arm64.h"

#define COLUMN(j, i, x, rows) \
	VST1 [V0.S4, V1.S4], (R24) \
	ADD  R1, R24

#define WIDEN(v, c) \
	FCVTL4S(c, 0)  \
	FCVTL24S(c, 1)

// func unpackF16x128(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackF16x128(SB), 0, $136-40
	UNPACKARGS

	// invariant: the columns before R2 are rows before R0
loop:
	MOVD R0, R24
	HALVES0
	HALFCOLUMNS(0)
	ADD $32, R0, R24
	HALVES1
	HALFCOLUMNS(2)
	ADD R1<<3, R0
	SUBS $1, R22
	BGT  loop
	RET

#undef WIDEN
#define WIDEN(v, c) \
	VZIP1 v.H8, V26.H8, V0.H8 \
	VZIP2 v.H8, V26.H8, V1.H8

// func unpackBF16x128(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackBF16x128(SB), 0, $136-40
	UNPACKARGS

	// invariant: the columns before R2 are rows before R0
loop:
	MOVD R0, R24
	HALVES0
	HALFCOLUMNS(0)
	ADD $32, R0, R24
	HALVES1
	HALFCOLUMNS(2)
	ADD R1<<3, R0
	SUBS $1, R22
	BGT  loop
	RET

// func unpackF32x128(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackF32x128(SB), 0, $136-40
	UNPACKARGS

	// invariant: the columns before R2 are rows before R0
loop:
	ADD $0, R0, R24
	FOUR0
	VST1 [V0.S4], (R24)
	ADD R1, R24
	VST1 [V1.S4], (R24)
	ADD R1, R24
	VST1 [V2.S4], (R24)
	ADD R1, R24
	VST1 [V3.S4], (R24)
	ADD R1, R24
	ADD $16, R0, R24
	FOUR1
	VST1 [V0.S4], (R24)
	ADD R1, R24
	VST1 [V1.S4], (R24)
	ADD R1, R24
	VST1 [V2.S4], (R24)
	ADD R1, R24
	VST1 [V3.S4], (R24)
	ADD R1, R24
	ADD $32, R0, R24
	FOUR2
	VST1 [V0.S4], (R24)
	ADD R1, R24
	VST1 [V1.S4], (R24)
	ADD R1, R24
	VST1 [V2.S4], (R24)
	ADD R1, R24
	VST1 [V3.S4], (R24)
	ADD R1, R24
	ADD $48, R0, R24
	FOUR3
	VST1 [V0.S4], (R24)
	ADD R1, R24
	VST1 [V1.S4], (R24)
	ADD R1, R24
	VST1 [V2.S4], (R24)
	ADD R1, R24
	VST1 [V3.S4], (R24)
	ADD R1, R24
	ADD R1<<2, R0
	SUBS $1, R22
	BGT  loop
	RET
