//go:build !purego

#include "textflag.h"
#include "weights_avx512_amd64.h"

#define COLUMN(j, z) VFMADD231PS.BCST (4*j)(SI), z, Z31

// FETCH: prefetches stand apart, since those in a row wait for one another. Each function is assembled twice, to ask into the nearest cache and,
// for AMD's cores, into the second-level cache, see runsForAMD.
#define FETCH(at) PREFETCHT0 at(R11)

// DOTS is the body: STEP multiplies columns of so many bytes of x, and FETCH goes on by so many. Invariant: at loop, Z31 holds the chains over the
// columns before SI.
#define DOTS(READY, STEP, asked, columns) \
	DOTARGS           \
	READY             \
loop:                     \
	STEP              \
	ADDQ $asked, R11  \
	ADDQ $columns, SI \
	DECQ R10          \
	JNE  loop         \
	VMOVUPS Z31, (DI) \
	VZEROUPPER        \
	RET

#define HALFDOTS DOTS(ROOM, HALFSTEP, 512, 64)
#define FULLDOTS DOTS(LANEMASKS, FULLSTEP, 256, 16)

#define WIDENF16(at, z) VCVTPH2PS at, z

#define WIDENBF16(at, z) \
	VPMOVZXWD at, z      \
	VPSLLD    $16, z, z

#define WIDEN WIDENF16
// func dotF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF16x512(SB), 0, $640-48
	HALFDOTS

#undef WIDEN
#define WIDEN WIDENBF16
// func dotBF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotBF16x512(SB), 0, $640-48
	HALFDOTS

// func dotF32x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF32x512(SB), 0, $136-48
	FULLDOTS

#undef FETCH
#define FETCH(at) PREFETCHT1 at(R11)

// func dotBF16x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotBF16x512AMD(SB), 0, $640-48
	HALFDOTS

#undef WIDEN
#define WIDEN WIDENF16
// func dotF16x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF16x512AMD(SB), 0, $640-48
	HALFDOTS

// func dotF32x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
TEXT ·dotF32x512AMD(SB), 0, $136-48
	FULLDOTS
