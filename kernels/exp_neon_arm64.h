// Exp32 in 4 lanes. LOADEXP puts its constants into V16 to V29: log2e, ln2Hi, ln2Lo, c0 .. c5, 1, expLo, expHi, +Inf,
// integer 127. R is scratch.
#define LOADEXP(R) \
	MOVD   $·expTable(SB), R; \
	VLD1.P 64(R), [V16.S4, V17.S4, V18.S4, V19.S4]; \
	VLD1.P 64(R), [V20.S4, V21.S4, V22.S4, V23.S4]; \
	VLD1.P 64(R), [V24.S4, V25.S4, V26.S4, V27.S4]; \
	VLD1   (R), [V28.S4, V29.S4]

// EXP: y = exp(x), register numbers. x stays; n, r, t are scratch. NaN passes through the arithmetic; lanes with
// x < expLo are zeroed, those with x > expHi become +Inf.
#define EXP(x, y, n, r, t) \
	FMUL4S(16, x, n); \
	FCVTNS4S(n, n); \
	SCVTF4S(n, t); \
	ORR16B(x, x, r); \
	FMLS4S(17, t, r); \
	FMLS4S(18, t, r); \
	ORR16B(20, 20, y); \
	FMLA4S(19, r, y); \
	ORR16B(21, 21, t); \
	FMLA4S(y, r, t); \
	ORR16B(22, 22, y); \
	FMLA4S(t, r, y); \
	ORR16B(23, 23, t); \
	FMLA4S(y, r, t); \
	ORR16B(24, 24, y); \
	FMLA4S(t, r, y); \
	FMUL4S(r, r, t); \
	FMLA4S(y, t, r); \
	FADD4S(25, r, y); \
	ADD4S(29, n, n); \
	SHL4S23(n, n); \
	FMUL4S(n, y, y); \
	FCMGT4S(x, 26, t); \
	BIC16B(t, y, y); \
	FCMGT4S(27, x, t); \
	BIT16B(t, 28, y)
