//go:build !purego

package kernels

// fifthTable serves the fifth bits of Q5_0 and Q5_1: from the bytes of qh two table look-ups give each code the byte its
// bit is in, and the last row the bit.
//
//lint:ignore U1000 the assembly reads it
var fifthTable = [3][16]byte{
	{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
	{2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3},
	{1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128},
}

// The functions of codes.go over nb > 0 blocks; functions of formats without a minimum ignore mn.

//go:noescape
func codesQ8_0NEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_0NEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_1NEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_0NEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_1NEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_KNEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_KNEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ6_KNEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ2_KNEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ3_KNEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesIQ4_NLNEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesIQ4_XSNEON(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesMXFP4NEON(q *int8, sc, mn *float32, row *byte, nb int)

// codesNEON enters the functions above into l.
func codesNEON(l *Level) {
	codesByBlocks(l, map[Type]codesFunc{
		Q8_0: codesQ8_0NEON, Q4_0: codesQ4_0NEON, Q4_1: codesQ4_1NEON, Q5_0: codesQ5_0NEON, Q5_1: codesQ5_1NEON,
		Q4_K: codesQ4_KNEON, Q5_K: codesQ5_KNEON, Q6_K: codesQ6_KNEON,
		Q2_K: codesQ2_KNEON, Q3_K: codesQ3_KNEON, IQ4_NL: codesIQ4_NLNEON, IQ4_XS: codesIQ4_XSNEON, MXFP4: codesMXFP4NEON,
	})
}
