//go:build !purego

#include "textflag.h"
#include "weights_avx512_amd64.h"

#define COLUMN(j, z) VFMADD231PS.BCST (4*j)(SI), z, Z31

// FETCH: prefetches stand apart, since those in a row wait for one another.
#define FETCH(at) PREFETCHT0 at(R11)

#define WIDEN(at, z) VCVTPH2PS at, z

// func dotF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF16x512(SB), 0, $640-48
	DOTARGS
	ROOM

	// invariant: Z31 holds the chains over the columns before AX
loop:
	HALFSTEP
	ADDQ $512, R11
	ADDQ $64, SI
	DECQ R10
	JNE  loop
	VMOVUPS Z31, (DI)
	VZEROUPPER
	RET

#undef WIDEN
#define WIDEN(at, z) \
	VPMOVZXWD at, z      \
	VPSLLD    $16, z, z

// func dotBF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotBF16x512(SB), 0, $640-48
	DOTARGS
	ROOM

	// invariant: Z31 holds the chains over the columns before AX
loop:
	HALFSTEP
	ADDQ $512, R11
	ADDQ $64, SI
	DECQ R10
	JNE  loop
	VMOVUPS Z31, (DI)
	VZEROUPPER
	RET

// func dotF32x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF32x512(SB), 0, $136-48
	DOTARGS
	LANEMASKS

	// invariant: Z31 holds the chains over the columns before AX
loop:
	FULLSTEP
	ADDQ $256, R11
	ADDQ $16, SI
	DECQ R10
	JNE  loop
	VMOVUPS Z31, (DI)
	VZEROUPPER
	RET
