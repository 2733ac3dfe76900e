//go:build !purego

package kernels

// avxVNNIInt fills l, a copy of avx2, with the kernels that gain from AVX-VNNI: VPDPBUSD on 256-bit registers without
// AVX-512. It adds four products of unsigned by signed bytes to 32 bits and never saturates.
func avxVNNIInt(l *Level) {
	l.PackTile = packTileVNNI
	l.Gemv[Q8_0] = func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		gemvByAVX2(IntFormats[Q8_0], true, dst, w, a, t, s)
	}
}

// rowsQ8_0VNNI is rowsQ8_0AVX2 with (code + 128)*q in its sums.
//
//go:noescape
func rowsQ8_0VNNI(args *gemvArgsAVX2)

// tileDot32VNNI is a tile function for groups of 32 and any bias.
//
//go:noescape
func tileDot32VNNI(args *tileArgsAVX2)

// tileDot16VNNI is a tile function for groups of 16 and any bias.
//
//go:noescape
func tileDot16VNNI(args *tileArgsAVX2)

func packTileVNNI(tile *Tile, q []int8, sc, mn []float32, rows int) {
	packTileBiased(tile, q, sc, mn, rows, true)
}
