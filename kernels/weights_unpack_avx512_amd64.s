//go:build !purego

#include "textflag.h"
#include "weights_avx512_amd64.h"

#define FETCH(at)

#define COLUMN(j, z) \
	VMOVUPS z, (DI)  \
	ADDQ    R13, DI

#define WIDEN(at, z) VCVTPH2PS at, z

// func unpackF16x512(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackF16x512(SB), 0, $640-40
	UNPACKARGS
	ROOM

	// invariant: the columns before AX are rows before DI
loop:
	HALFSTEP
	DECQ R10
	JNE  loop
	VZEROUPPER
	RET

#undef WIDEN
#define WIDEN(at, z) \
	VPMOVZXWD at, z      \
	VPSLLD    $16, z, z

// func unpackBF16x512(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackBF16x512(SB), 0, $640-40
	UNPACKARGS
	ROOM

	// invariant: the columns before AX are rows before DI
loop:
	HALFSTEP
	DECQ R10
	JNE  loop
	VZEROUPPER
	RET

// func unpackF32x512(dst *float32, ldd int, w *byte, stride, steps int)
TEXT ·unpackF32x512(SB), 0, $136-40
	UNPACKARGS
	LANEMASKS

	// invariant: the columns before AX are rows before DI
loop:
	FULLSTEP
	DECQ R10
	JNE  loop
	VZEROUPPER
	RET
