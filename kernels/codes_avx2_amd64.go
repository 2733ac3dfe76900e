//go:build !purego

package kernels

// The functions of codes.go over nb > 0 blocks; functions of formats without a minimum ignore mn.

//go:noescape
func codesQ8_0AVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_0AVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_1AVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_0AVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_1AVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ6_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ2_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ3_KAVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesIQ4_NLAVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesIQ4_XSAVX2(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesMXFP4AVX2(q *int8, sc, mn *float32, row *byte, nb int)

// codesAVX2 enters the functions above into l.
func codesAVX2(l *Level) {
	codesByBlocks(l, map[Type]codesFunc{
		Q8_0: codesQ8_0AVX2, Q4_0: codesQ4_0AVX2, Q4_1: codesQ4_1AVX2, Q5_0: codesQ5_0AVX2, Q5_1: codesQ5_1AVX2,
		Q4_K: codesQ4_KAVX2, Q5_K: codesQ5_KAVX2, Q6_K: codesQ6_KAVX2,
		Q2_K: codesQ2_KAVX2, Q3_K: codesQ3_KAVX2, IQ4_NL: codesIQ4_NLAVX2, IQ4_XS: codesIQ4_XSAVX2, MXFP4: codesMXFP4AVX2,
	})
}
