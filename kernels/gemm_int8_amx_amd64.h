// The body of gemmInt8AMX and its kin, see gemm_int8_amx_amd64.s: as gemmInt8xN of gemm_int8_avx512_amd64.s for blocks of 16 tokens and some
// groups, with codes kept signed; the integer sums of a group are one product of tiles. All blocks and panels of 16 rows are one
// stream: while the chains of one end, tiles of the next are loaded and multiplied.
//
//	AX activations, BX weights, both three to four groups ahead of the chains · CX groups up to the end of their panel · DX 32
//	DI sums of groups, 4 slots of [16 tokens, 16 rows] · R8 s · R11, R10 d of tokens 0 and 8 · SI, R9 sx of tokens 0 and 8
//	R12-R15 strides of 1, 3, 5, 7 tokens in d and sx · Z0-Z15 chains of 16 tokens · Z24 s or m · Z25 1.5*2^23
//	of the chains: panel-32(SP), block-64(SP), end-40(SP) s behind their last group, minima-56(SP) the way
//	from s to m, span-120(SP) bytes of s of a panel, slot-88(SP) where the first sums are
//	of AX and BX: ahead-72(SP) the panel, blocks-80(SP) those left; in bytes chunk-96(SP) the groups of a panel, all-104(SP) the panels,
//	apart-112(SP) from block to block and panel to panel
	MOVQ p+0(FP), R8
	MOVQ amxArgs_config(R8), AX
	LDTILECFG
	MOVL $0x4b400000, AX
	VPBROADCASTD AX, Z25
	MOVQ $0, block-64(SP)
	MOVQ $0, panel-32(SP)
	MOVQ $0, slot-88(SP)
	MOVQ $0, ahead-72(SP)
	MOVQ amxArgs_blocks(R8), AX
	MOVQ AX, blocks-80(SP)
	MOVQ amxArgs_groups(R8), CX
	MOVQ CX, AX
	IMULQ $(16*WEIGHTS), AX
	MOVQ AX, chunk-96(SP)
	MOVQ CX, AX
	SHLQ $7, AX
	MOVQ AX, span-120(SP)
	MOVQ amxArgs_k(R8), AX
	SHLQ $4, AX
	MOVQ AX, apart-112(SP)
	IMULQ amxArgs_panels(R8), AX
	MOVQ AX, all-104(SP)
	MOVQ amxArgs_m(R8), AX
	SUBQ amxArgs_s(R8), AX
	MOVQ AX, minima-56(SP)
	MOVQ amxArgs_q(R8), AX
	MOVQ amxArgs_w(R8), BX
	MOVQ amxArgs_sums(R8), DI
	MOVQ $32, DX
	ZERO(4)
	ZERO(5)
	ZERO(6)
	ZERO(7)
	LOAD(0, 2)
	PRODUCT(4, 0, 2)
	DECQ CX
	JEQ  wrap5
wrapped5:
	LOAD(1, 3)
	PRODUCT(5, 1, 3)
	DECQ CX
	JEQ  wrap6
wrapped6:
	LOAD(0, 2)
	PRODUCT(6, 0, 2)
	DECQ CX
	JEQ  wrap7
wrapped7:
	LOAD(1, 3)
	DECQ CX
	JEQ  wrap8
wrapped8:
	KEEP(4, 0)
	JMP begin

	// Invariant: Z0-Z15 hold the chains of all groups before the one at R8, R9-R11, SI. Its sums are in slot 0, the
	// products of the next two are in tiles 5 and 6, the third group is in tiles 1 and 3, AX and BX are at the fourth.
	// Behind the last panel of the last block they go through the last block again, unused.
group0:
	GROUP(0, 5, 1, 7, 1, 3, 0, 2, wrap0, wrapped0, next0, group1)
	GROUP(1, 6, 2, 4, 0, 2, 1, 3, wrap1, wrapped1, next1, group2)
	GROUP(2, 7, 3, 5, 1, 3, 0, 2, wrap2, wrapped2, next2, group3)
	GROUP(3, 4, 0, 6, 0, 2, 1, 3, wrap3, wrapped3, next3, group4)
	JMP  group0

	// Numbers of places to return to.
next0:
	MOVQ $1, slot-88(SP)
	JMP  next
next1:
	MOVQ $2, slot-88(SP)
	JMP  next
next2:
	MOVQ $3, slot-88(SP)
	JMP  next
next3:
	MOVQ $0, slot-88(SP)

	// The chains of a panel are ended: they are stored, and those of the next panel begin.
next:
	RESULTS
	EACH(STORE, R11, R10, 0)
	MOVQ panel-32(SP), DX
	INCQ DX
	MOVQ DX, panel-32(SP)
	CMPQ DX, amxArgs_panels(R8)
	JLT  begin
	MOVQ $0, panel-32(SP)
	MOVQ block-64(SP), DX
	INCQ DX
	MOVQ DX, block-64(SP)
	CMPQ DX, amxArgs_blocks(R8)
	JLT  begin
	TILERELEASE
	VZEROUPPER
	RET

	// The chains of a panel and block begin.
begin:
	RESULTS
	CMPQ amxArgs_more(R8), $0
	JNE  resume
	MOVQ R11, DX
	EACH(CLEAR, R11, R10, 0)
	JMP  begun

resume:
	EACH(BEGIN, R11, R10, 0)

begun:
	MOVQ amxArgs_k(R8), R12
	MOVQ R12, R11
	SHLQ $1, R11 // K/8 bytes of d a token
	IMULQ block-64(SP), R11
	MOVQ R11, SI
	ADDQ amxArgs_d(R8), R11
	ADDQ amxArgs_sx(R8), SI
	SHRQ $3, R12
	LEAQ (R12)(R12*2), R13
	LEAQ (R12)(R12*4), R14
	LEAQ (R13)(R12*4), R15
	LEAQ (R11)(R12*8), R10
	LEAQ (SI)(R12*8), R9
	MOVQ panel-32(SP), DX
	SHLQ $6, DX
	ADDQ amxArgs_s(R8), DX
	MOVQ DX, R8
	ADDQ span-120(SP), DX
	MOVQ DX, end-40(SP)
	MOVQ $32, DX
	CMPQ slot-88(SP), $1
	JLT  group0
	JEQ  group1
	CMPQ slot-88(SP), $2
	JEQ  group2
	JMP  group3

	// The groups of a panel have been loaded: BX goes on to the next panel and AX back to the first of its groups; behind the last panel BX
	// goes back to the first and AX on to the next block.
#define WRAP(wrap, wrapped) \
wrap:                           \
	MOVQ p+0(FP), DX            \
	MOVQ amxArgs_groups(DX), CX \
	SUBQ chunk-96(SP), AX       \
	SUBQ chunk-96(SP), BX       \
	ADDQ apart-112(SP), BX      \
	INCQ ahead-72(SP)           \
	MOVQ amxArgs_panels(DX), DX \
	CMPQ ahead-72(SP), DX       \
	MOVQ $32, DX                \
	JLT  wrapped                \
	MOVQ $0, ahead-72(SP)       \
	SUBQ all-104(SP), BX        \
	DECQ blocks-80(SP)          \
	JLE  wrapped                \
	ADDQ apart-112(SP), AX      \
	JMP  wrapped

	WRAP(wrap0, wrapped0)
	WRAP(wrap1, wrapped1)
	WRAP(wrap2, wrapped2)
	WRAP(wrap3, wrapped3)
	WRAP(wrap5, wrapped5)
	WRAP(wrap6, wrapped6)
	WRAP(wrap7, wrapped7)
	WRAP(wrap8, wrapped8)
#undef WRAP
