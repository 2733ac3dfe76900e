// Gemv of 16 rows of super-blocks that takes one block of all rows at a time. Four rows are reduced together, which gives the sums
// of a group as lanes, so nothing goes through scratch, and the chains run while the next block is multiplied.
//
//	SI R8 R9 R12 this block of rows 0, 4, 8, 12 · AX bytes from row to row, BX thrice that · R11 activations · R13 d, R14 sx (or sum16)
//	CX blocks left · R10 what to ask for next, R15 on to the next row's, DX back to the first row's · DI scratch
//	Z30 chains · Z0-Z7 temporaries

// LOADARGS of func (dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, asks *asks) (ahead uintptr); bytes of a block.
#define LOADARGS(bytes) \
	MOVQ w+16(FP), SI          \
	MOVQ stride+24(FP), AX     \
	LEAQ (AX)(AX*2), BX        \
	LEAQ (SI)(AX*4), R8        \
	LEAQ (R8)(AX*4), R9        \
	LEAQ (R9)(AX*4), R12       \
	MOVQ q+32(FP), R11         \
	MOVQ d+40(FP), R13         \
	MOVQ sx+48(FP), R14        \
	MOVQ blocks+56(FP), CX     \
	MOVQ asks+64(FP), DI       \
	MOVQ asks_from(DI), R10    \
	MOVQ asks_step(DI), R15    \
	MOVQ asks_left(DI), DI     \
	MOVQ DI, turn-8(SP)        \
	BACK(bytes)                \
	VPXORD Z30, Z30, Z30

#define BACK(bytes) \
	MOVQ R15, DX     \
	SHLQ $4, DX      \
	NEGQ DX          \
	ADDQ $bytes, DX

// ASKTURN: from here on, what is read after the rows is asked for.
#define ASKTURN(bytes, near) \
	DECQ turn-8(SP)            \
	JNE  near                  \
	MOVQ asks+64(FP), DI       \
	MOVQ asks_then(DI), R10    \
	MOVQ asks_thenStep(DI), R15 \
	BACK(bytes)                \
near:

// ASK3: the lines of the next block of one row; ASK4 those of a longer one.
#define ASK3 \
	PREFETCHT0 (R10)    \
	PREFETCHT0 64(R10)  \
	PREFETCHT0 128(R10) \
	ADDQ R15, R10

#define ASK4 \
	PREFETCHT0 (R10)    \
	PREFETCHT0 64(R10)  \
	PREFETCHT0 128(R10) \
	PREFETCHT0 192(R10) \
	ADDQ R15, R10

// NEXTBLOCK steps to the next block.
#define NEXTBLOCK(bytes) \
	ADDQ $bytes, SI  \
	ADDQ $bytes, R8  \
	ADDQ $bytes, R9  \
	ADDQ $bytes, R12 \
	ADDQ $256, R11   \
	ADDQ $32, R13    \
	ADDQ DX, R10

// STORELANES: dst[i*step] = lane i of Z30.
#define STORELANES \
	MOVQ         dst+0(FP), DI         \
	MOVQ         step+8(FP), AX        \
	VPBROADCASTD AX, Z0                \
	VPMULLD      lanes<>(SB), Z0, Z0   \
	KXNORW       K1, K1, K1            \
	VSCATTERDPS  Z30, K1, (DI)(Z0*4)

DATA lanes<>+0(SB)/8, $0x0000000100000000
DATA lanes<>+8(SB)/8, $0x0000000300000002
DATA lanes<>+16(SB)/8, $0x0000000500000004
DATA lanes<>+24(SB)/8, $0x0000000700000006
DATA lanes<>+32(SB)/8, $0x0000000900000008
DATA lanes<>+40(SB)/8, $0x0000000b0000000a
DATA lanes<>+48(SB)/8, $0x0000000d0000000c
DATA lanes<>+56(SB)/8, $0x0000000f0000000e
GLOBL lanes<>(SB), RODATA|NOPTR, $64

// HEADS: 16 bytes at o of each row as Z0-Z3 = dwords 0-3 of all rows.
#define HEADS(o) \
	VMOVDQU      o(SI), X0                      \
	VMOVDQU      o(SI)(AX*1), X1                \
	VMOVDQU      o(SI)(AX*2), X2                \
	VMOVDQU      o(SI)(BX*1), X3                \
	HEADS4(o, R8, $1)                           \
	HEADS4(o, R9, $2)                           \
	HEADS4(o, R12, $3)                          \
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)

#define HEADS4(o, B, lane) \
	VINSERTI32X4 lane, o(B), Z0, Z0       \
	VINSERTI32X4 lane, o(B)(AX*1), Z1, Z1 \
	VINSERTI32X4 lane, o(B)(AX*2), Z2, Z2 \
	VINSERTI32X4 lane, o(B)(BX*1), Z3, Z3

// ROWS4: T = sums of the four groups of a half, dword i of lane g = row i of B, for a ROW that leaves partial sums of what lies at
// o and h.
#define ROWS4(o, h, B, ROW, T) \
	ROW(o(B), h(B), Z0)                             \
	ROW(o(B)(AX*1), h(B)(AX*1), Z1)                 \
	ROW(o(B)(AX*2), h(B)(AX*2), Z2)                 \
	ROW(o(B)(BX*1), h(B)(BX*1), Z3)                 \
	ASK3                                            \
	ASK3                                            \
	REDUCE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)         \
	VMOVDQA32 Z0, T

// BYGROUP: p, q, r, s = sums of groups 0-3 of 16 rows, from a, b, c, d as ROWS4 leaves them.
#define BYGROUP(a, b, c, d, p, q, r, s) \
	VSHUFI32X4 $0x44, b, a, Z4   \
	VSHUFI32X4 $0xee, b, a, Z5   \
	VSHUFI32X4 $0x44, d, c, Z6   \
	VSHUFI32X4 $0xee, d, c, Z7   \
	VSHUFI32X4 $0x88, Z6, Z4, p  \
	VSHUFI32X4 $0xdd, Z6, Z4, q  \
	VSHUFI32X4 $0x88, Z7, Z5, r  \
	VSHUFI32X4 $0xdd, Z7, Z5, s
