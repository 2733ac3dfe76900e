// Exp32 in 16 lanes. EXPCONST loads its constants to Z18..Z30 by way of register t.
#define EXPCONST(t) \
	LEAQ    ·expTable(SB), t; \
	VMOVUPS (t), Z18; \
	VMOVUPS 64(t), Z19; \
	VMOVUPS 128(t), Z20; \
	VMOVUPS 192(t), Z21; \
	VMOVUPS 256(t), Z22; \
	VMOVUPS 320(t), Z23; \
	VMOVUPS 384(t), Z24; \
	VMOVUPS 448(t), Z25; \
	VMOVUPS 512(t), Z26; \
	VMOVUPS 576(t), Z27; \
	VMOVUPS 640(t), Z28; \
	VMOVUPS 704(t), Z29; \
	VMOVUPS 768(t), Z30

// EXP: y = exp(x). x stays; n, r, t, K6, K7 are scratch. NaN passes through the arithmetic; VSCALEFPS multiplies by
// 2^n and zeroes the lanes with x < expLo; those with x > expHi become +Inf.
#define EXP(x, y, n, r, t) \
	VMULPS       Z18, x, n; \
	VRNDSCALEPS  $8, n, n; \
	VMOVAPS      x, r; \
	VFNMADD231PS Z19, n, r; \
	VFNMADD231PS Z20, n, r; \
	VMOVAPS      Z21, y; \
	VFMADD213PS  Z22, r, y; \
	VFMADD213PS  Z23, r, y; \
	VFMADD213PS  Z24, r, y; \
	VFMADD213PS  Z25, r, y; \
	VFMADD213PS  Z26, r, y; \
	VMULPS       r, r, t; \
	VFMADD213PS  r, t, y; \
	VADDPS       Z27, y, y; \
	VCMPPS       $0x15, Z28, x, K6; \
	VCMPPS       $0x1e, Z29, x, K7; \
	VSCALEFPS.Z  n, y, K6, y; \
	VMOVAPS      Z30, K7, y

// TREE16 sums the lanes of z (whose parts are y and x) in the order of tree16 into x; ty, tx are the parts of a scratch.
#define TREE16(z, y, x, ty, tx) \
	VEXTRACTF64X4 $1, z, ty; \
	VADDPS        ty, y, y; \
	VEXTRACTF128  $1, y, tx; \
	VADDPS        tx, x, x; \
	VMOVHLPS      x, x, tx; \
	VADDPS        tx, x, x; \
	VMOVSHDUP     x, tx; \
	VADDSS        tx, x, x

// MAX16 is the largest lane in the same way.
#define MAX16(z, y, x, ty, tx) \
	VEXTRACTF64X4 $1, z, ty; \
	VMAXPS        ty, y, y; \
	VEXTRACTF128  $1, y, tx; \
	VMAXPS        tx, x, x; \
	VMOVHLPS      x, x, tx; \
	VMAXPS        tx, x, x; \
	VMOVSHDUP     x, tx; \
	VMAXSS        tx, x, x
