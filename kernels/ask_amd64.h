// ASK asks for the two lines at R14, in a loop over blocks of 64 bytes from block to last: R13 further at each, R15 further after each eighth,
// counted from the last. CX is scratch.
#define ASK(block, last) \
	PREFETCHT1 (R14);   \
	PREFETCHT1 64(R14); \
	ADDQ  R13, R14;     \
	MOVQ  last, CX;     \
	SUBQ  block, CX;    \
	TESTQ $0x1c0, CX;   \
	JNE   asked;        \
	ADDQ  R15, R14;     \
asked:
