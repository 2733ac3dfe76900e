//go:build !purego

package kernels

// avx2Int fills l with this level's kernels of the int group.
func avx2Int(l *Level) {
	l.Quantize = quantizeByAVX2
	codesAVX2(l)
	l.PackTile, l.GemmInt8 = packTileAVX2, gemmInt8AVX2
}
