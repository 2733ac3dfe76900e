//go:build !purego

#include "textflag.h"
#include "weights_avx2_amd64.h"

// FETCH: prefetches stand apart, since those in a row wait for one another.
#define FETCH(at) PREFETCHT0 at(R11)

#define COLUMN(j, lo, hi) \
	VBROADCASTSS (4*j)(SI), Y12 \
	VFMADD231PS  Y12, lo, Y14   \
	VFMADD231PS  Y12, hi, Y15

#define STORE \
	VMOVUPS Y14, (DI)   \
	VMOVUPS Y15, 32(DI)

#define WIDEN(at, y) VCVTPH2PS at, y

// func dotF16x256(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF16x256(SB), 0, $704-48
	DOTARGS

	// invariant: Y14 and Y15 hold the chains over the columns before AX
loop:
	HALFSTEP
	ADDQ $512, R11
	ADDQ $64, SI
	DECQ R10
	JNE  loop
	STORE
	VZEROUPPER
	RET

#undef WIDEN
#define WIDEN(at, y) \
	VPMOVZXWD at, y     \
	VPSLLD    $16, y, y

// func dotBF16x256(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotBF16x256(SB), 0, $704-48
	DOTARGS

	// invariant: Y14 and Y15 hold the chains over the columns before AX
loop:
	HALFSTEP
	ADDQ $512, R11
	ADDQ $64, SI
	DECQ R10
	JNE  loop
	STORE
	VZEROUPPER
	RET

// func dotF32x256(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF32x256(SB), 0, $704-48
	DOTARGS

	// invariant: Y14 and Y15 hold the chains over the columns before AX
loop:
	FULLSTEP
	ADDQ $256, R11
	ADDQ $16, SI
	DECQ R10
	JNE  loop
	STORE
	VZEROUPPER
	RET
