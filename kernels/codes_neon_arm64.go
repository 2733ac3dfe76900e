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

// codesNEON enters the functions above into l.
func codesNEON(l *Level) {
	for typ, f := range map[Type]func(q *int8, sc, mn *float32, row *byte, nb int){
		Q8_0: codesQ8_0NEON, Q4_0: codesQ4_0NEON, Q4_1: codesQ4_1NEON, Q5_0: codesQ5_0NEON, Q5_1: codesQ5_1NEON,
		Q4_K: codesQ4_KNEON, Q5_K: codesQ5_KNEON, Q6_K: codesQ6_KNEON,
	} {
		format := IntFormats[typ]
		l.Codes[typ] = func(q []int8, sc, mn []float32, row []byte) {
			nb := len(row) / format.Bytes
			if nb == 0 {
				return
			}
			k := nb * format.Block
			q, sc = q[:k], sc[:k/format.Group]
			var m *float32
			if format.HasMin {
				m = &mn[:k/format.Group][0]
			}
			f(&q[0], &sc[0], m, &row[0], nb)
		}
	}
}
