// The body of gemmInt8xN, see gemm_int8_avx512_amd64.s. N2 ... N6 are defined for the tokens there are.
//
//	SI weights, SI+R8 second panel · DI, R10 activations of tokens 0 and 3, R9 their stride · R11 d · AX sx · CX start
//	values · R12, R13, R14 strides of one, three and five tokens in d · BX s · DX m · R15 temporary
//	Z0-Z11 integer sums (token t: Z(2t), Z(2t+1)) · Z12-Z23 results · Z24-Z31 temporaries
	MOVQ int8Args_dst(AX), DI
	MOVQ int8Args_ldd(AX), R9
	FETCH
#ifdef N2
	FETCH
#endif
#ifdef N3
	FETCH
#endif
#ifdef N4
	FETCH
#endif
#ifdef N5
	FETCH
#endif
#ifdef N6
	FETCH
#endif
	MOVQ int8Args_w(AX), SI
	MOVQ int8Args_panel(AX), R8
	MOVQ int8Args_q(AX), DI
	MOVQ int8Args_k(AX), R9
	LEAQ (R9)(R9*2), R10
	ADDQ DI, R10
	MOVQ int8Args_d(AX), R11
	MOVQ int8Args_corr(AX), CX
	MOVQ R9, R12
	SHRQ $3, R12
	LEAQ (R12)(R12*2), R13
	LEAQ (R12)(R12*4), R14
	MOVQ int8Args_s(AX), BX
	MOVQ int8Args_m(AX), DX
	MOVQ int8Args_groups(AX), R15
	MOVQ R15, groups-8(SP)
	MOVQ int8Args_quarters(AX), R15
	MOVQ R15, quarters-16(SP)
	MOVQ int8Args_minimum(AX), R15
	MOVQ R15, minimum-24(SP)
	MOVQ int8Args_scaleStep(AX), R15
	MOVQ R15, toggle-32(SP)
	MOVQ $4, advance-40(SP)
	MOVQ int8Args_sx(AX), AX
	VPXORD Z12, Z12, Z12
	VMOVDQA64 Z12, Z13
	VMOVDQA64 Z12, Z14
	VMOVDQA64 Z12, Z15
	VMOVDQA64 Z12, Z16
	VMOVDQA64 Z12, Z17
	VMOVDQA64 Z12, Z18
	VMOVDQA64 Z12, Z19
	VMOVDQA64 Z12, Z20
	VMOVDQA64 Z12, Z21
	VMOVDQA64 Z12, Z22
	VMOVDQA64 Z12, Z23

	// Invariant: Z12-Z23 hold the chains of all groups before the one at SI, DI, R11, AX, CX, BX, DX.
group:
	START((CX), Z0, Z1)
#ifdef N2
	START((CX)(R12*2), Z2, Z3)
#endif
#ifdef N3
	START((CX)(R12*4), Z4, Z5)
#endif
#ifdef N4
	START((CX)(R13*2), Z6, Z7)
#endif
#ifdef N5
	START((CX)(R12*8), Z8, Z9)
#endif
#ifdef N6
	START((CX)(R14*2), Z10, Z11)
#endif
	MOVQ quarters-16(SP), R15

	// Invariant: R15 times 16 weights of the group are left.
quarter:
	WEIGHTS(0)
	TOKENS(0)
	WEIGHTS(1)
	TOKENS(1)
	WEIGHTS(2)
	TOKENS(2)
	WEIGHTS(3)
	TOKENS(3)
	ADDQ $256, SI
	ADDQ $16, DI
	ADDQ $16, R10
	DECQ R15
	JNZ  quarter

	VMOVUPS (BX), Z24
	VMOVUPS 64(BX), Z25
	ADD((R11), Z0, Z1, Z12, Z13)
#ifdef N2
	ADD((R11)(R12*1), Z2, Z3, Z14, Z15)
#endif
#ifdef N3
	ADD((R11)(R12*2), Z4, Z5, Z16, Z17)
#endif
#ifdef N4
	ADD((R11)(R13*1), Z6, Z7, Z18, Z19)
#endif
#ifdef N5
	ADD((R11)(R12*4), Z8, Z9, Z20, Z21)
#endif
#ifdef N6
	ADD((R11)(R14*1), Z10, Z11, Z22, Z23)
#endif
	CMPQ minimum-24(SP), $1
	JLT  next
	VMOVUPS (DX), Z24
	VMOVUPS 64(DX), Z25
	JNE  minimum16
	ADDMIN((AX), Z12, Z13)
#ifdef N2
	ADDMIN((AX)(R12*1), Z14, Z15)
#endif
#ifdef N3
	ADDMIN((AX)(R12*2), Z16, Z17)
#endif
#ifdef N4
	ADDMIN((AX)(R13*1), Z18, Z19)
#endif
#ifdef N5
	ADDMIN((AX)(R12*4), Z20, Z21)
#endif
#ifdef N6
	ADDMIN((AX)(R14*1), Z22, Z23)
#endif
	ADDQ $4, AX
	ADDQ $128, DX
	JMP  next
minimum16:
	VPXORD Z29, Z29, Z29
	ADDMIN16((CX), (R11), Z12, Z13)
#ifdef N2
	ADDMIN16((CX)(R12*2), (R11)(R12*1), Z14, Z15)
#endif
#ifdef N3
	ADDMIN16((CX)(R12*4), (R11)(R12*2), Z16, Z17)
#endif
#ifdef N4
	ADDMIN16((CX)(R13*2), (R11)(R13*1), Z18, Z19)
#endif
#ifdef N5
	ADDMIN16((CX)(R12*8), (R11)(R12*4), Z20, Z21)
#endif
#ifdef N6
	ADDMIN16((CX)(R14*2), (R11)(R14*1), Z22, Z23)
#endif
	ADDQ $128, DX
next:
	MOVQ advance-40(SP), R15 // 4, or 0 and 4 in turn where two groups share a d
	XORQ toggle-32(SP), R15
	MOVQ R15, advance-40(SP)
	ADDQ R15, R11
	ADDQ $4, CX
	ADDQ $128, BX
	DECQ groups-8(SP)
	JNZ  group

	MOVQ  p+0(FP), AX
	MOVQ  int8Args_dst(AX), DI
	MOVQ  int8Args_ldd(AX), R9
	MOVQ  int8Args_mask(AX), R8
	KMOVW R8, K1
	SHRQ  $16, R8
	KMOVW R8, K2
	STORE(Z12, Z13)
#ifdef N2
	STORE(Z14, Z15)
#endif
#ifdef N3
	STORE(Z16, Z17)
#endif
#ifdef N4
	STORE(Z18, Z19)
#endif
#ifdef N5
	STORE(Z20, Z21)
#endif
#ifdef N6
	STORE(Z22, Z23)
#endif
	VZEROUPPER
	RET
