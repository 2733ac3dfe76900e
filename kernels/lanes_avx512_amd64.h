// LANES: K1 = the first min(DX, 16) lanes; once in a function, after LANESINIT (all lanes). CX and R15 are scratch.
#define LANESINIT \
	MOVL  $0xffff, R15; \
	KMOVW R15, K1

#define LANES \
	CMPQ  DX, $16; \
	JGE   whole; \
	MOVQ  DX, CX; \
	MOVL  $1, R15; \
	SHLL  CX, R15; \
	DECL  R15; \
	KMOVW R15, K1; \
whole:

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
