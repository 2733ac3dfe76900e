//go:build !purego

#include "textflag.h"

// func ahead(at uintptr, lines int)
//
// Asks for lines > 0 lines of 64 bytes from at on.
TEXT ·ahead(SB), 0, $136-16
	MOVD at+0(FP), R0
	MOVD lines+8(FP), R1

	// Invariant: R1 > 0 lines from R0 on are left.
loop:
	PRFM (R0), PLDL2KEEP
	ADD  $64, R0
	SUBS $1, R1
	BNE  loop
	RET
