// The body of gemmInt8AMX and gemmInt8By16AMX, see gemm_int8_amx_amd64.s: as gemmInt8xN of gemm_int8_avx512_amd64.s for blocks of
// 16 tokens, with codes kept signed; the integer sums of a group are one product of tiles.
//
//	AX activations, CX 32 · BX weights, DX 64 · DI sums of groups, 4 slots of [16 tokens, 16 rows] · R8 s
//	R11, R10 d of tokens 0 and 8 · SI, R9 sx of tokens 0 and 8 · R12-R15 strides of 1, 3, 5, 7 tokens in d and sx
//	Z0-Z15 results of 16 tokens · Z24 s or m · Z25 1.5*2^23
//	end-40(SP) is s behind the last group, minima-56(SP) the way from s to m
	MOVQ p+0(FP), R8
	MOVQ amxArgs_config(R8), AX
	LDTILECFG
	MOVL $0x4b400000, AX
	VPBROADCASTD AX, Z25
	MOVQ $0, block-64(SP)

	// Invariant: blocks of tokens before this one are stored.
block:
	MOVQ $0, panel-32(SP)

	// Invariant: panels before this one are stored for these tokens.
panel:
	MOVQ p+0(FP), R8
	MOVQ amxArgs_ldd(R8), R12
	MOVQ R12, DI
	SHLQ $4, DI
	IMULQ block-64(SP), DI
	MOVQ panel-32(SP), DX
	SHLQ $6, DX
	ADDQ DX, DI
	ADDQ amxArgs_dst(R8), DI
	MOVQ $16, CX

	// Invariant: the lines of CX tokens from DI on, that STORE will write, are still to be asked for.
fetch:
	PREFETCHW
	ADDQ R12, DI
	DECQ CX
	JNZ  fetch

	MOVQ panel-32(SP), DX
	MOVQ DX, DI
	SHLQ $6, DI
	ADDQ amxArgs_s(R8), DI
	MOVQ amxArgs_groups(R8), AX
	SHLQ $7, AX
	ADDQ DI, AX
	MOVQ AX, end-40(SP)
	MOVQ amxArgs_m(R8), AX
	SUBQ amxArgs_s(R8), AX
	MOVQ AX, minima-56(SP)
	MOVQ DI, s-48(SP)
	MOVQ amxArgs_k(R8), R12
	MOVQ R12, BX
	SHLQ $4, BX
	MOVQ BX, AX
	IMULQ block-64(SP), AX
	MOVQ AX, CX
	SHRQ $3, CX // 2 K bytes of d a block
	IMULQ DX, BX
	ADDQ amxArgs_w(R8), BX
	ADDQ amxArgs_q(R8), AX
	SHRQ $3, R12
	LEAQ (R12)(R12*2), R13
	LEAQ (R12)(R12*4), R14
	LEAQ (R13)(R12*4), R15
	MOVQ amxArgs_d(R8), R11
	ADDQ CX, R11
	LEAQ (R11)(R12*8), R10
	MOVQ amxArgs_sx(R8), SI
	ADDQ CX, SI
	LEAQ (SI)(R12*8), R9
	MOVQ amxArgs_sums(R8), DI
	MOVQ s-48(SP), R8
	VPXORD Z0, Z0, Z0
	VMOVDQA64 Z0, Z1
	VMOVDQA64 Z0, Z2
	VMOVDQA64 Z0, Z3
	VMOVDQA64 Z0, Z4
	VMOVDQA64 Z0, Z5
	VMOVDQA64 Z0, Z6
	VMOVDQA64 Z0, Z7
	VMOVDQA64 Z0, Z8
	VMOVDQA64 Z0, Z9
	VMOVDQA64 Z0, Z10
	VMOVDQA64 Z0, Z11
	VMOVDQA64 Z0, Z12
	VMOVDQA64 Z0, Z13
	VMOVDQA64 Z0, Z14
	VMOVDQA64 Z0, Z15

	MOVQ $32, CX
	MOVQ $64, DX
	ZERO(4)
	ZERO(5)
	ZERO(6)
	ZERO(7)
	LOAD(0, 2)
	PRODUCT(4, 0, 2)
	LOAD(1, 3)
	PRODUCT(5, 1, 3)
	LOAD(0, 2)
	PRODUCT(6, 0, 2)
	LOAD(1, 3)
	KEEP(4, 0)

	// Invariant: Z0-Z15 hold the chains of all groups before the one at R8, R9-R11, SI. Its sums are in slot 0, the
	// products of the next two are in tiles 5 and 6, the third group is in tiles 1 and 3, AX and BX are at the fourth.
	// Surplus groups are read from the slack, unused.
group:
	GROUP(0, 5, 1, 7, 1, 3, 0, 2)
	GROUP(1, 6, 2, 4, 0, 2, 1, 3)
	GROUP(2, 7, 3, 5, 1, 3, 0, 2)
	GROUP(3, 4, 0, 6, 0, 2, 1, 3)
	JMP  group

end:
	MOVQ  p+0(FP), R8
	MOVQ  amxArgs_mask(R8), AX
	MOVQ  panel-32(SP), CX
	SHLQ  $4, CX
	SHRQ  CX, AX
	KMOVW AX, K1
	MOVQ  amxArgs_dst(R8), DI
	LEAQ  (DI)(CX*4), DI
	MOVQ  amxArgs_ldd(R8), R12
	MOVQ  R12, DX
	SHLQ  $4, DX
	IMULQ block-64(SP), DX
	ADDQ  DX, DI
	LEAQ  (R12)(R12*2), R13
	LEAQ  (R12)(R12*4), R14
	LEAQ  (R13)(R12*4), R15
	LEAQ  (DI)(R12*8), R10
	EACH(STORE, DI, R10, 0)
	MOVQ panel-32(SP), AX
	INCQ AX
	MOVQ AX, panel-32(SP)
	CMPQ AX, amxArgs_panels(R8)
	JLT  panel
	MOVQ block-64(SP), AX
	INCQ AX
	MOVQ AX, block-64(SP)
	CMPQ AX, amxArgs_blocks(R8)
	JLT  block
	TILERELEASE
	VZEROUPPER
	RET
