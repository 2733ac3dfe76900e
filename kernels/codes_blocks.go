//go:build (amd64 || arm64) && !purego

package kernels

// codesFunc decodes nb > 0 blocks of a format; without a minimum it ignores mn.
type codesFunc = func(q *int8, sc, mn *float32, row *byte, nb int)

// codesByBlocks makes Level.Codes of functions over blocks.
func codesByBlocks(l *Level, funcs map[Type]codesFunc) {
	for typ, f := range funcs {
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
