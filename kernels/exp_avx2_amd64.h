// Exp32 in 8 lanes; AX = &expTable.

// EXP: y = exp(x). x stays; n, r, t are scratch. NaN passes through the arithmetic; lanes with x < expLo are zeroed,
// those with x > expHi become +Inf.
#define EXP(x, y, n, r, t) \
	VMULPS       (AX), x, n; \
	VROUNDPS     $8, n, n; \
	VMOVAPS      x, r; \
	VFNMADD231PS 64(AX), n, r; \
	VFNMADD231PS 128(AX), n, r; \
	VMOVUPS      192(AX), y; \
	VFMADD213PS  256(AX), r, y; \
	VFMADD213PS  320(AX), r, y; \
	VFMADD213PS  384(AX), r, y; \
	VFMADD213PS  448(AX), r, y; \
	VFMADD213PS  512(AX), r, y; \
	VMULPS       r, r, t; \
	VFMADD213PS  r, t, y; \
	VADDPS       576(AX), y, y; \
	VCVTPS2DQ    n, n; \
	VPADDD       832(AX), n, n; \
	VPSLLD       $23, n, n; \
	VMULPS       n, y, y; \
	VCMPPS       $0x15, 640(AX), x, t; \
	VANDPS       t, y, y; \
	VCMPPS       $0x1e, 704(AX), x, t; \
	VBLENDVPS    t, 768(AX), y, y

// TREE16 sums the 16 lanes ya, yb (with parts xa, xb) in the order of tree16 into xa.
#define TREE16(ya, yb, xa, xb) \
	VADDPS       yb, ya, ya; \
	VEXTRACTF128 $1, ya, xb; \
	VADDPS       xb, xa, xa; \
	VMOVHLPS     xa, xa, xb; \
	VADDPS       xb, xa, xa; \
	VMOVSHDUP    xa, xb; \
	VADDSS       xb, xa, xa

// MAX8 is the largest lane of y (with part x) in the same way; tx is scratch.
#define MAX8(y, x, tx) \
	VEXTRACTF128 $1, y, tx; \
	VMAXPS       tx, x, x; \
	VMOVHLPS     x, x, tx; \
	VMAXPS       tx, x, x; \
	VMOVSHDUP    x, tx; \
	VMAXSS       tx, x, x
