// Phase one of the Gemv of IQ4_XS, Q2_K and Q3_K: the integer sums of up to 16 rows, one row after the other.
//
//	SI next block · R10 next line to prefetch · BX DI temporaries

// FETCHFIRST: R10 = the first line to ask for.
#define FETCHFIRST \
	MOVQ fetch+48(FP), BX      \
	MOVQ fetch_lead(BX), R10   \
	ADDQ SI, R10               \
	MOVQ fetch_end(BX), DI     \
	MOVQ DI, end-32(SP)

// FETCHJUMP goes on at what is read after the weights, once; the label is one of the function's own.
#define FETCHJUMP(near) \
	CMPQ R10, end-32(SP)       \
	JCS  near                  \
	MOVQ fetch+48(FP), BX      \
	ADDQ fetch_jump(BX), R10   \
	MOVQ $-1, end-32(SP)       \
near:
