// LANES: K1 = the first min(DX, 16) lanes. CX, R15 are scratch; R13 = -1 (LANESINIT).
#define LANESINIT MOVQ $-1, R13

#define LANES \
	MOVQ    $16, CX; \
	CMPQ    DX, CX; \
	CMOVQLT DX, CX; \
	BZHIQ   CX, R13, R15; \
	KMOVW   R15, K1

// NEXT2 ... step the pointers a loop uses and the count DX; the flags are those of the count.
#define NEXT1(p) \
	ADDQ $64, p; \
	SUBQ $16, DX
#define NEXT2(p, q) \
	ADDQ $64, p; \
	NEXT1(q)
#define NEXT3(p, q, r) \
	ADDQ $64, p; \
	NEXT2(q, r)
