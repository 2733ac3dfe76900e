//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "gemv_avx2_amd64.h"
#include "vex_dot_amd64.h"

// y (which is Yi) = 8 partial sums of (code + 128)*q of block i. Y15 bytes 0x80.
#define DOT_Q8_0(i, y) \
	VPXOR   (34*i+2)(SI), Y15, Y4 \
	VMOVDQU (32*i)(DI), Y5        \
	VPXOR   y, y, y               \
	DPBUSD(5, 4, i)

#define SCALE_Q8_0(i) MOVE_SCALE(i, 34)

// func rowsQ8_0VNNI(args *gemvArgsAVX2)
TEXT ·rowsQ8_0VNNI(SB), 0, $136-8
	ROWS_BEGIN
	MOVL         $0x80808080, AX
	VMOVD        AX, X15
	VPBROADCASTD X15, Y15
	ROWS(34, 128, 2, DOT_Q8_0, WIDE4, WIDE1, SCALE_Q8_0)
