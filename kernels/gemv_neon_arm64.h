// The body of the dots of four rows with one token. What differs: LOADX loads a group of the token's codes into V16 and,
// of 32, V17, LOADW(row) one of a row's into V20 and V21, DOT(acc, v) sets acc = their products, LOADD sets F5 = d.
//
// Registers: R1 to R4 = rows; R6, R7 = scales and minima [groups, 4]; R8 = the token's codes, R9, R10 = its d and sx;
// R11 = groups left; V31 = the chains

	MOVD args+0(FP), R0
	MOVD rowsArgs128_q(R0), R1
	MOVD rowsArgs128_stride(R0), R5
	ADD  R5, R1, R2
	ADD  R5, R2, R3
	ADD  R5, R3, R4
	MOVD rowsArgs128_s(R0), R6
	MOVD rowsArgs128_m(R0), R7
	MOVD rowsArgs128_x(R0), R8
	MOVD rowsArgs128_d(R0), R9
	MOVD rowsArgs128_sx(R0), R10
	MOVD rowsArgs128_groups(R0), R11
	VMOVI $0, V31.B16

group:
	LOADX
	LOADW(R1)
	DOT(0, V0)
	LOADW(R2)
	DOT(1, V1)
	LOADW(R3)
	DOT(2, V2)
	LOADW(R4)
	DOT(3, V3)
	ADDP4S(1, 0, 0)
	ADDP4S(3, 2, 2)
	ADDP4S(2, 0, 0)
	SCVTF4S(0, 0)
	VLD1.P  16(R6), [V4.S4]
	LOADD
	FMULE4S(0, 5, 4, 4)
	FMLA4S(4, 0, 31)
	CBZ     R7, next
	VLD1.P  16(R7), [V4.S4]
	FMOVS.P 4(R10), F5
	FMLAE4S(0, 5, 4, 31)

next:
	SUBS $1, R11
	BGT  group
	MOVD rowsArgs128_out(R0), R0
	VST1 [V31.S4], (R0)
	RET
