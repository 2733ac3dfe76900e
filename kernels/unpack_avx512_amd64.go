//go:build !purego

package kernels

// Unpack of this level: the two panels of a tile straight from the file's bytes.

//go:noescape
func unpackQ8_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ4_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ4_1AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ5_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ5_1AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ4_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ5_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ6_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ2_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackQ3_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackIQ4_NLAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackIQ4_XSAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

//go:noescape
func unpackMXFP4AVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)

// unpackAVX512 enters them into l. Codes are changed as the level's product reads them.
func unpackAVX512(l *Level) {
	unpackPanels(l, func(*Tile) byte { return 0x80 })
}

// unpackAMX: codes are changed as the product before left those of the tile, which is how the next one likely wants them;
// some formats go by the product of avx512.
func unpackAMX(l *Level) {
	unpackPanels(l, func(tile *Tile) byte {
		if !tile.onAMX() {
			return 0x80
		}
		return tile.flip
	})
}

func unpackPanels(l *Level, flip func(tile *Tile) byte) {
	for typ, panel := range map[Type]func(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32){
		Q8_0: unpackQ8_0AVX512, Q4_0: unpackQ4_0AVX512, Q4_1: unpackQ4_1AVX512, Q5_0: unpackQ5_0AVX512, Q5_1: unpackQ5_1AVX512,
		Q4_K: unpackQ4_KAVX512, Q5_K: unpackQ5_KAVX512, Q6_K: unpackQ6_KAVX512,
		Q2_K: unpackQ2_KAVX512, Q3_K: unpackQ3_KAVX512, IQ4_NL: unpackIQ4_NLAVX512, IQ4_XS: unpackIQ4_XSAVX512, MXFP4: unpackMXFP4AVX512,
	} {
		f := IntFormats[typ]
		l.Unpack[typ] = func(tile *Tile, src []byte) {
			k, blocks := tile.K, tile.K/f.Block
			rb, scales := blocks*f.Bytes, TileRows*(k/f.Group)
			_, _ = src[TileRows*rb-1], tile.W[TileRows*k-1]
			_, _ = tile.S[scales-1], tile.M[scales-1]
			tile.Rows, tile.flip = TileRows, flip(tile)
			x := uint32(tile.flip) * 0x01010101
			panel(&tile.W[0], &tile.S[0], &tile.M[0], &src[0], rb, blocks, x)
			panel(&tile.W[16*k], &tile.S[16], &tile.M[16], &src[16*rb], rb, blocks, x)
		}
	}
}
