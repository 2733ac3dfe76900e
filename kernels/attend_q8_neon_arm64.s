//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// LOADB splits two of B's rows: words of the first to V4, V5, of the second to V6, V7.
#define LOADB \
	VLD2 (R11), [V4.B16, V5.B16]; \
	SXTL28H(5, 7); \
	SXTL8H(5, 6); \
	SXTL28H(4, 5); \
	SXTL8H(4, 4); \
	ADD  R12, R11

// DOTROW continues row i's sums, c to c+3, with the next two codes of A.
#define DOTROW(row, c) \
	VLD1R.P 2(row), [V0.H8]; \
	VLD1R.P 2(row), [V1.H8]; \
	SMLAL4S(0, 4, (c)+0); \
	SMLAL24S(0, 4, (c)+1); \
	SMLAL4S(0, 5, (c)+2); \
	SMLAL24S(0, 5, (c)+3); \
	SMLAL4S(1, 6, (c)+0); \
	SMLAL24S(1, 6, (c)+1); \
	SMLAL4S(1, 7, (c)+2); \
	SMLAL24S(1, 7, (c)+3)

// SUMROW ends a group of row i, which is at R15 with its scale at R19.
#define SUMROW(i, c) \
	CMP    $i, R13; \
	BLE    summed; \
	FMOVS  (R19), F4; \
	VLD1   (R14), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	FMULE4S(0, 4, 0, 0); \
	FMULE4S(0, 4, 1, 1); \
	FMULE4S(0, 4, 2, 2); \
	FMULE4S(0, 4, 3, 3); \
	SCVTF4S((c)+0, (c)+0); \
	SCVTF4S((c)+1, (c)+1); \
	SCVTF4S((c)+2, (c)+2); \
	SCVTF4S((c)+3, (c)+3); \
	VLD1   (R15), [V4.S4, V5.S4, V6.S4, V7.S4]; \
	VAND   V28.B16, V4.B16, V4.B16; \
	VAND   V28.B16, V5.B16, V5.B16; \
	VAND   V28.B16, V6.B16, V6.B16; \
	VAND   V28.B16, V7.B16, V7.B16; \
	FMLA4S(0, (c)+0, 4); \
	FMLA4S(1, (c)+1, 5); \
	FMLA4S(2, (c)+2, 6); \
	FMLA4S(3, (c)+3, 7); \
	VST1   [V4.S4, V5.S4, V6.S4, V7.S4], (R15); \
	ADD    R1, R15; \
	ADD    R2, R19

// func dotQ8x128(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb int, s *float32, snext, m, pairs, groups int)
//
//   R0, R1 = C and its stride; R3, R4, R5 = rows of A; R20, R2 = the group's scales of rows and their stride
//   R11, R12 = B and its step; R13 = rows; R14 = the group's scales of columns, R10 = to the next's; R9 = pairs left, R8 = groups left
//   V16 to V27 = sums of rows; V28 = 0 in the first group, else all bits
TEXT ·dotQ8x128(SB), 0, $136-104
	MOVD  c+0(FP), R0
	MOVD  ldc+8(FP), R1
	MOVD  a+16(FP), R3
	MOVD  lda+24(FP), R2
	ADD   R2, R3, R4
	ADD   R2, R4, R5
	MOVD  d+32(FP), R20
	MOVD  ldd+40(FP), R2
	MOVD  b+48(FP), R11
	MOVD  ldb+56(FP), R12
	MOVD  s+64(FP), R14
	MOVD  snext+72(FP), R10
	MOVD  m+80(FP), R13
	MOVD  groups+96(FP), R8
	VMOVI $0, V28.B16

	// invariant: the groups before these R8 > 0 are in C
group:
	VMOVI $0, V16.B16
	VMOVI $0, V17.B16
	VMOVI $0, V18.B16
	VMOVI $0, V19.B16
	VMOVI $0, V20.B16
	VMOVI $0, V21.B16
	VMOVI $0, V22.B16
	VMOVI $0, V23.B16
	VMOVI $0, V24.B16
	VMOVI $0, V25.B16
	VMOVI $0, V26.B16
	VMOVI $0, V27.B16
	MOVD  pairs+88(FP), R9
	CMP   $2, R13
	BLT   one
	BEQ   two

	// invariant of the three loops: the sums hold the group's pairs before R11; R9 > 0 are left
three:
	LOADB
	DOTROW(R3, 16)
	DOTROW(R4, 20)
	DOTROW(R5, 24)
	SUB  $1, R9
	CBNZ R9, three
	B    sum

two:
	LOADB
	DOTROW(R3, 16)
	DOTROW(R4, 20)
	SUB  $1, R9
	CBNZ R9, two
	B    sum

one:
	LOADB
	DOTROW(R3, 16)
	SUB  $1, R9
	CBNZ R9, one

sum:
	MOVD R0, R15
	MOVD R20, R19
	SUMROW(0, 16)
	SUMROW(1, 20)
	SUMROW(2, 24)
summed:
	ADD   $4, R20
	ADD   R10, R14
	VMOVI $255, V28.B16
	SUB   $1, R8
	CBNZ  R8, group
	RET
