//go:build !purego

package kernels

// avx2Float fills l with this level's kernels of the float group.
func avx2Float(l *Level) {
	l.GemmF32 = tiles256.gemm
	l.Transpose = transpose256
}

var tiles256 = floatTiles{rows: 6, cols: 16,
	f32: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1, m, n, k int, acc bool) {
		if n == 16 {
			gemmTile256(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, nil, acc)
		} else {
			gemmTileMask256(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, &columns16[16-n], acc)
		}
	},
	f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, n, k int, acc bool) {
		if n == 8 {
			b1 = 0
		}
		gemmTileHalf256(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, &columns16[16-n], acc)
	},
}

// columns16[16-n:][:16] masks the first n of 16 columns; [:16] all of them.
var columns16 = [32]int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}

// gemmTile256 is the tile of floatTiles with 6 rows and 16 columns, all of which exist: m in 1..6, strides in bytes.
//
//	for i < m, j < 16: x = acc ? c[i,j] : 0; for p < k { x = fma(a(i,p), b[p,j], x) }; c[i,j] = x
//
//go:noescape
func gemmTile256(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, mask *int32, acc bool)

// gemmTileMask256 is gemmTile256 for those of the 16 columns whose mask is -1.
//
//go:noescape
func gemmTileMask256(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, mask *int32, acc bool)

// gemmTileHalf256 is gemmTile256 for B in half precision and 16 columns, or 8 with b1 = 0 and the mask of 8.
//
//go:noescape
func gemmTileHalf256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask *int32, acc bool)
