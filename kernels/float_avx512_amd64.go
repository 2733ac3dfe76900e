//go:build !purego

package kernels

// avx512Float fills l with this level's kernels of the float group.
func avx512Float(l *Level) {
	l.GemmF32 = tiles512.gemm
	l.Transpose = transpose512
	l.AttendPage = func(p *AttnPage) { tiles512.attend(l, p, softmaxRow512) }
	l.AttendMerge = attendMergeBy(1, attendMerge512)
}

var tiles512 = floatTiles{rows: 14, cols: 32,
	f32: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1, m, n, k int, acc bool) {
		gemmTile512(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, uint32(1<<n-1), acc)
	},
	f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, n, k int, acc bool) {
		gemmTileHalf512(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, uint32(1<<n-1), acc)
	},
	wide: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, n, k int, acc bool) {
		gemmWide512(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, m, k, 1<<n-1, acc)
	},
}

// gemmTile512 is the tile of floatTiles with 14 rows and 32 columns: m in 1..14, strides in bytes, bit j of mask set
// where column j exists.
//
//	for i < m, j in mask: x = acc ? c[i,j] : 0; for p < k { x = fma(a(i,p), b[p,j], x) }; c[i,j] = x
//
//go:noescape
func gemmTile512(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, mask uint32, acc bool)

// gemmWide512 is gemmTile512 with 9 rows and 48 columns, which lie in one piece in every row of B.
//
//go:noescape
func gemmWide512(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, k int, mask uint64, acc bool)

// gemmTileHalf512 is gemmTile512 for B in half precision.
//
//go:noescape
func gemmTileHalf512(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask uint32, acc bool)

// softmaxRow512: p holds one query's dots with the 256 keys of a page and receives their probabilities, 0 <= lo < hi <=
// 256. Elements outside [lo, hi) are scratch in the blocks of 16 that [lo, hi) touches, else neither read nor written.
//
//	for lo <= j < hi { p[j] *= scale; max = larger of max (from -Inf) and p[j] }
//	for lo <= j < hi { p[j] = Exp32(p[j]-max); lane[j%16] += p[j] }; sum = tree16(lane)
//
//go:noescape
func softmaxRow512(p *float32, lo, hi int, scale float32) (max, sum float32)

// attendMerge512: for d < n { out[d] = fma(pout[d], b, float32(out[d]*a)) }, n > 0.
//
//go:noescape
func attendMerge512(out, pout *float32, n int, a, b float32)
