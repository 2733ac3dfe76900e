//go:build !purego

package kernels

// Unpack of this level: the two panels of a tile straight from the file's bytes.

//go:noescape
func unpackQ8_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, groups int)

//go:noescape
func unpackQ4_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, groups int)

//go:noescape
func unpackQ4_1AVX512(w *byte, s, m *float32, src *byte, rowBytes, groups int)

//go:noescape
func unpackQ5_0AVX512(w *byte, s, m *float32, src *byte, rowBytes, groups int)

//go:noescape
func unpackQ5_1AVX512(w *byte, s, m *float32, src *byte, rowBytes, groups int)

func unpackAVX512(l *Level) {
	for typ, panel := range map[Type]func(w *byte, s, m *float32, src *byte, rowBytes, groups int){
		Q8_0: unpackQ8_0AVX512, Q4_0: unpackQ4_0AVX512, Q4_1: unpackQ4_1AVX512, Q5_0: unpackQ5_0AVX512, Q5_1: unpackQ5_1AVX512,
	} {
		bytes := IntFormats[typ].Bytes
		l.Unpack[typ] = func(tile *Tile, src []byte) {
			k, groups := tile.K, tile.K/32
			rb := groups * bytes
			_, _ = src[TileRows*rb-1], tile.W[TileRows*k-1]
			_, _ = tile.S[TileRows*groups-1], tile.M[TileRows*groups-1]
			tile.Rows, tile.flip = TileRows, 0x80
			panel(&tile.W[0], &tile.S[0], &tile.M[0], &src[0], rb, groups)
			panel(&tile.W[16*k], &tile.S[16], &tile.M[16], &src[16*rb], rb, groups)
		}
	}
}
