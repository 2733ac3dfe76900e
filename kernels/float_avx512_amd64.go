//go:build !purego

package kernels

// avx512Float fills l with this level's kernels of the float group.
func avx512Float(l *Level) {
	l.GemmF32 = tiles512.gemm
	l.Transpose = transpose512
}

var tiles512 = floatTiles{rows: 14, cols: 32,
	f32: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1, m, n, k int, acc bool) {
		gemmTile512(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, uint32(1<<n-1), acc)
	},
	f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, n, k int, acc bool) {
		gemmTileHalf512(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, uint32(1<<n-1), acc)
	},
}

// gemmTile512 is the tile of floatTiles with 14 rows and 32 columns: m in 1..14, strides in bytes, bit j of mask set
// where column j exists.
//
//	for i < m, j in mask: x = acc ? c[i,j] : 0; for p < k { x = fma(a(i,p), b[p,j], x) }; c[i,j] = x
//
//go:noescape
func gemmTile512(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, mask uint32, acc bool)

// gemmTileHalf512 is gemmTile512 for B in half precision.
//
//go:noescape
func gemmTileHalf512(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask uint32, acc bool)
