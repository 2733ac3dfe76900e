// Gemv of 16 runs of rows: a block of one row of each at a time, then the next block, then the next rows. Four rows are reduced
// together, which gives the sums of a group as lanes, so nothing goes through scratch, and the chains run while the next block is multiplied.
//
//	SI R8 R9 R12 this block of runs 0, 4, 8, 12 · AX bytes from run to run, BX thrice that · R11 activations · R13 d, R14 their sums
//	CX blocks left · R10 what to ask for next, R15 on to the next run's, DX thrice that · DI scratch
//	Z30 chains · Z0-Z7 temporaries
//
// FETCH asks for a line. Each kernel is assembled twice: to ask into the nearest cache (PREFETCHT0) and, for AMD's cores, into the second-level
// cache (PREFETCHT1), with some macros of gemv_block_amd_amd64.h, see runsForAMD.

// BEGINRUNS of func (p *runs), which asks for so many bytes of each run a turn.
#define BEGINRUNS(turn) \
	MOVQ p+0(FP), DI           \
	MOVQ runs_w(DI), SI        \
	MOVQ runs_stride(DI), AX   \
	LEAQ (AX)(AX*2), BX        \
	LEAQ (SI)(AX*4), R8        \
	LEAQ (R8)(AX*4), R9        \
	LEAQ (R9)(AX*4), R12       \
	MOVQ runs_rows(DI), CX     \
	MOVQ CX, rows-8(SP)        \
	MOVQ runs_dst(DI), CX      \
	MOVQ CX, dst-16(SP)        \
	MOVQ runs_left(DI), CX     \
	MOVQ CX, left-24(SP)       \
	MOVQ runs_from(DI), R10    \
	MOVQ runs_fromStep(DI), R15 \
	BACK(turn)

// BACK readies the way to the other runs and from the last back to the first.
#define BACK(turn) \
	LEAQ (R15)(R15*2), DX  \
	MOVQ R15, DI           \
	SHLQ $4, DI            \
	NEGQ DI                \
	ADDQ $(turn), DI       \
	MOVQ DI, back-32(SP)

// TURNED: all runs were asked for; once they have been so often enough, what is read after them follows.
#define TURNED(turn, near) \
	ADDQ back-32(SP), R10       \
	DECQ left-24(SP)            \
	JNE  near                   \
	MOVQ p+0(FP), DI            \
	MOVQ runs_then(DI), R10     \
	MOVQ runs_thenStep(DI), R15 \
	BACK(turn)                  \
near:

// BEGINROW: SI and its like stand at a row of each run.
#define BEGINROW \
	MOVQ p+0(FP), DI           \
	MOVQ runs_q(DI), R11       \
	MOVQ runs_d(DI), R13       \
	MOVQ runs_sums(DI), R14    \
	MOVQ runs_blocks(DI), CX   \
	VPXORD Z30, Z30, Z30

// NEXTBLOCK of so many bytes and values.
#define NEXTBLOCK(bytes, values) \
	ADDQ $bytes, SI           \
	ADDQ $bytes, R8           \
	ADDQ $bytes, R9           \
	ADDQ $bytes, R12          \
	ADDQ $values, R11         \
	ADDQ $(values/8), R13

// ENDROW stores the chains, lane j at dst[j*step], and goes on at row or ends the function.
#define ENDROW(row) \
	MOVQ         p+0(FP), DI              \
	VPBROADCASTD runs_step(DI), Z0        \
	VPMULLD      lanes<>(SB), Z0, Z0      \
	MOVQ         dst-16(SP), DI           \
	KXNORW       K1, K1, K1               \
	VSCATTERDPS  Z30, K1, (DI)(Z0*4)      \
	ADDQ         $4, dst-16(SP)           \
	DECQ         rows-8(SP)               \
	JNE          row                      \
	MOVQ         p+0(FP), DI              \
	MOVQ         R10, runs_asked(DI)      \
	VZEROUPPER                            \
	RET

DATA lanes<>+0(SB)/8, $0x0000000100000000
DATA lanes<>+8(SB)/8, $0x0000000300000002
DATA lanes<>+16(SB)/8, $0x0000000500000004
DATA lanes<>+24(SB)/8, $0x0000000700000006
DATA lanes<>+32(SB)/8, $0x0000000900000008
DATA lanes<>+40(SB)/8, $0x0000000b0000000a
DATA lanes<>+48(SB)/8, $0x0000000d0000000c
DATA lanes<>+56(SB)/8, $0x0000000f0000000e
GLOBL lanes<>(SB), RODATA|NOPTR, $64
