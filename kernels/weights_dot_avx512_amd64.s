//go:build !purego

#include "textflag.h"
#include "weights_avx512_amd64.h"

#define COLUMN(j, z) VFMADD231PS.BCST (4*j)(SI), z, Z31

// FETCH: prefetches stand apart, since those in a row wait for one another. Each function is assembled twice, to ask into the nearest cache and,
// for AMD's cores, into the second-level cache, see runsForAMD.
#define FETCH(at) PREFETCHT0 at(R11)

// HALFDOT is the body of those whose weights have 16 bits. Invariant: at loop, Z31 holds the chains over the columns before SI.
#define HALFDOT \
	DOTARGS           \
	ROOM              \
loop:                     \
	HALFSTEP          \
	ADDQ $512, R11    \
	ADDQ $64, SI      \
	DECQ R10          \
	JNE  loop         \
	VMOVUPS Z31, (DI) \
	VZEROUPPER        \
	RET

// FULLDOT is that of those with 32, with the same invariant.
#define FULLDOT \
	DOTARGS           \
	LANEMASKS         \
loop:                     \
	FULLSTEP          \
	ADDQ $256, R11    \
	ADDQ $16, SI      \
	DECQ R10          \
	JNE  loop         \
	VMOVUPS Z31, (DI) \
	VZEROUPPER        \
	RET

#define WIDENF16(at, z) VCVTPH2PS at, z

#define WIDENBF16(at, z) \
	VPMOVZXWD at, z      \
	VPSLLD    $16, z, z

#define WIDEN WIDENF16
// func dotF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF16x512(SB), 0, $640-48
	HALFDOT

#undef WIDEN
#define WIDEN WIDENBF16
// func dotBF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotBF16x512(SB), 0, $640-48
	HALFDOT

// func dotF32x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF32x512(SB), 0, $136-48
	FULLDOT

#undef FETCH
#define FETCH(at) PREFETCHT1 at(R11)

// func dotBF16x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotBF16x512AMD(SB), 0, $640-48
	HALFDOT

#undef WIDEN
#define WIDEN WIDENF16
// func dotF16x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF16x512AMD(SB), 0, $640-48
	HALFDOT

// func dotF32x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF32x512AMD(SB), 0, $136-48
	FULLDOT
