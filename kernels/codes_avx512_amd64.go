//go:build !purego

package kernels

// The functions of codes.go over nb > 0 blocks of 32. The K formats keep those of avx2.

//go:noescape
func codesQ8_0AVX512(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_0AVX512(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ4_1AVX512(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_0AVX512(q *int8, sc, mn *float32, row *byte, nb int)

//go:noescape
func codesQ5_1AVX512(q *int8, sc, mn *float32, row *byte, nb int)

// codesAVX512 enters the functions above into l.
func codesAVX512(l *Level) {
	codesByBlocks(l, map[Type]codesFunc{
		Q8_0: codesQ8_0AVX512, Q4_0: codesQ4_0AVX512, Q4_1: codesQ4_1AVX512, Q5_0: codesQ5_0AVX512, Q5_1: codesQ5_1AVX512,
	})
}
