//go:build !purego

#include "textflag.h"

// func ahead(at uintptr, lines int)
//
// Asks for lines > 0 lines of 64 bytes from at on.
TEXT ·ahead(SB), 0, $136-16
	MOVQ at+0(FP), SI
	MOVQ lines+8(FP), CX

	// Invariant: CX > 0 lines from SI on are left.
loop:
	PREFETCHT1 (SI)
	ADDQ $64, SI
	DECQ CX
	JNZ  loop
	RET
