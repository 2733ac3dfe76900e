// What the int8 tiles of arm64 share: 8 rows of a panel against 4 tokens. V(16+2t), V(17+2t) = the chains of token t.
//
// Registers: R1 = weights, R2, R3 = scales and minima of the group, R4 to R7 = the tokens' codes, R8, R9 = d and sx (of
// groups of 16 the sums) of token 0, R10 = bytes from one token's d to the next, R11 = group, R12 = groups of one block of 32 less one, R13 =
// groups, R14 = steps in a group, R15 = steps left

#define PROLOGUE(steps) \
	MOVD args+0(FP), R0; \
	MOVD tileArgs128_w(R0), R1; \
	MOVD tileArgs128_s(R0), R2; \
	MOVD tileArgs128_m(R0), R3; \
	MOVD tileArgs128_q(R0), R4; \
	MOVD tileArgs128_d(R0), R8; \
	MOVD tileArgs128_sx(R0), R9; \
	MOVD tileArgs128_stride(R0), R10; \
	MOVD tileArgs128_groups(R0), R13; \
	MOVD tileArgs128_group(R0), R14; \
	ADD  R10, R4, R5; \
	ADD  R10, R5, R6; \
	ADD  R10, R6, R7; \
	LSR  $3, R10; \
	MOVD $0, R11; \
	LSR  $4, R14, R12; \
	EOR  $3, R12; \
	LSR  $1, R12; \
	CBZ  R12, wide; \
	MOVD tileArgs128_sum16(R0), R9; \
wide: \
	LSR  $steps, R14; \
	VMOVI $0, V16.B16; \
	VMOVI $0, V17.B16; \
	VMOVI $0, V18.B16; \
	VMOVI $0, V19.B16; \
	VMOVI $0, V20.B16; \
	VMOVI $0, V21.B16; \
	VMOVI $0, V22.B16; \
	VMOVI $0, V23.B16

// SCALE continues the chains of a token: its integer sums are in i0, i1, its d at R20, which steps on to the next
// token's. V24, V25 = scales.
#define SCALE(i0, i1, c0, c1) \
	FMOVS (R20), F28; \
	ADD   R10, R20; \
	SCVTF4S(i0, i0); \
	SCVTF4S(i1, i1); \
	FMULE4S(0, 28, 24, 30); \
	FMULE4S(0, 28, 25, 31); \
	FMLA4S(30, i0, c0); \
	FMLA4S(31, i1, c1)

// MINIMUM adds a token's minima: its sx is at R20, which steps on. V24, V25 = minima.
#define MINIMUM(c0, c1) \
	FMOVS (R20), F28; \
	ADD   R10, R20; \
	FMLAE4S(0, 28, 24, c0); \
	FMLAE4S(0, 28, 25, c1)

// MINIMUM16 does so for groups of 16: sx = float(sum)*d; the sum at R20 and d at R21 step on.
#define MINIMUM16(c0, c1) \
	FMOVS (R20), F28; \
	FMOVS (R21), F29; \
	ADD   R10<<1, R20; \
	ADD   R10, R21; \
	SCVTF4S(28, 28); \
	FMULE4S(0, 29, 28, 28); \
	FMLAE4S(0, 28, 24, c0); \
	FMLAE4S(0, 28, 25, c1)

// EPILOGUE ends a group, whose integer sums are in i to i+7, and goes on with the next.
#define EPILOGUE(i0, i1, i2, i3, i4, i5, i6, i7) \
	VLD1 (R2), [V24.S4, V25.S4]; \
	ADD  $(4*32), R2; \
	LSR  R12, R11, R19; \
	ADD  R19<<2, R8, R20; \
	SCALE(i0, i1, 16, 17); \
	SCALE(i2, i3, 18, 19); \
	SCALE(i4, i5, 20, 21); \
	SCALE(i6, i7, 22, 23); \
	CBZ  R3, next; \
	VLD1 (R3), [V24.S4, V25.S4]; \
	ADD  $(4*32), R3; \
	CBNZ R12, narrow; \
	ADD  R19<<2, R9, R20; \
	MINIMUM(16, 17); \
	MINIMUM(18, 19); \
	MINIMUM(20, 21); \
	MINIMUM(22, 23); \
	JMP  next; \
narrow: \
	ADD  R11<<2, R9, R20; \
	ADD  R19<<2, R8, R21; \
	MINIMUM16(16, 17); \
	MINIMUM16(18, 19); \
	MINIMUM16(20, 21); \
	MINIMUM16(22, 23); \
next: \
	ADD  $1, R11; \
	CMP  R13, R11; \
	BLT  group; \
	MOVD tileArgs128_out(R0), R0; \
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R0); \
	VST1 [V20.S4, V21.S4, V22.S4, V23.S4], (R0); \
	RET
