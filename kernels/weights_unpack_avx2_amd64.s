//go:build !purego

#include "textflag.h"
#include "weights_avx2_amd64.h"

#define FETCH(at)

#define COLUMN(j, lo, hi) \
	VMOVUPS lo, (DI)   \
	VMOVUPS hi, 32(DI) \
	ADDQ    R13, DI

#define WIDEN(at, y) VCVTPH2PS at, y

// func unpackF16x256(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackF16x256(SB), 0, $704-40
	UNPACKARGS

	// invariant: the columns before AX are rows before DI
loop:
	HALFSTEP
	DECQ R10
	JNE  loop
	VZEROUPPER
	RET

#undef WIDEN
#define WIDEN(at, y) \
	VPMOVZXWD at, y     \
	VPSLLD    $16, y, y

// func unpackBF16x256(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackBF16x256(SB), 0, $704-40
	UNPACKARGS

	// invariant: the columns before AX are rows before DI
loop:
	HALFSTEP
	DECQ R10
	JNE  loop
	VZEROUPPER
	RET

// func unpackF32x256(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackF32x256(SB), 0, $704-40
	UNPACKARGS

	// invariant: the columns before AX are rows before DI
loop:
	FULLSTEP
	DECQ R10
	JNE  loop
	VZEROUPPER
	RET
