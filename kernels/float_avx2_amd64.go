//go:build !purego

package kernels

// avx2Float fills l with this level's kernels of the float group.
func avx2Float(l *Level) {
	l.GemmF32 = tiles256.gemm
	l.Transpose = transpose256
	l.AttendPage = func(p *AttnPage) { tiles256.attend(l, p, softmaxRow256) }
	l.AttendMerge = attendMergeBy(8, attendMerge256)
}

var tiles256 = floatTiles{rows: 6, cols: 16,
	f32: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1, m, n, k int, acc bool) {
		if n == 16 {
			gemmTile256(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, nil, acc)
		} else {
			gemmTileMask256(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, &blockMask[32-n], acc)
		}
	},
	f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, n, k int, acc bool) {
		if n == 16 {
			gemmTileHalf256(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, nil, acc)
		} else {
			gemmTileHalf8x256(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, nil, acc)
		}
	},
	q8k: func(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, s *float32, m, _, k int, acc bool) {
		gemmTileQ8K256(c, 4*ldc, a, 4*sai, 4*sap, b, ldb, b1, m, k, nil, acc, s)
	},
	q8v: func(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, s *float32, m, _, k int, acc bool) {
		gemmTileQ8V256(c, 4*ldc, a, 4*sai, 4*sap, b, ldb, b1, m, k, nil, acc, s)
	},
	few: &fewTiles{rows: 3, cols: 32, queries: 3, values: 512, // two passes over B gain nothing
		f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, k int, acc bool, o asked) {
			gemmFewHalf256(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, acc, o.at, o.run, o.back)
		},
		q8k: func(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, s *float32, m, k int, acc bool, o asked) {
			gemmFewQ8K256(c, 4*ldc, a, 4*sai, 4*sap, b, ldb, b1, m, k, acc, o.at, o.run, o.back, s)
		},
		q8v: func(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, s *float32, m, k int, acc bool, o asked) {
			gemmFewQ8V256(c, 4*ldc, a, 4*sai, 4*sap, b, ldb, b1, m, k, acc, o.at, o.run, o.back, s)
		},
	},
}

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

// gemmTileHalf256 is gemmTile256 for B in half precision.
//
//go:noescape
func gemmTileHalf256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask *int32, acc bool)

// gemmTileHalf8x256 is gemmTileHalf256 for the first 8 columns.
//
//go:noescape
func gemmTileHalf8x256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask *int32, acc bool)

// gemmTileQ8K256 is gemmTile256 for B in q8_0 with a scale for each column: b[p,j] = b(p,j)*s[j], exact.
//
//go:noescape
func gemmTileQ8K256(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, mask *int32, acc bool, s *float32)

// gemmTileQ8V256 is gemmTile256 for B in q8_0 with a scale for each row: b[p,j] = b(p,j)*s[p], exact.
//
//go:noescape
func gemmTileQ8V256(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, mask *int32, acc bool, s *float32)

// gemmFewHalf256 is the tile of fewTiles for B in half precision: m in 1..3, k > 0, strides in bytes. A row of B is 16
// columns and, b1 after them, 16 more.
//
//go:noescape
func gemmFewHalf256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int)

// gemmFewQ8K256 is gemmFewHalf256 for B in q8_0 with a scale for each column.
//
//go:noescape
func gemmFewQ8K256(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int, s *float32)

// gemmFewQ8V256 is gemmFewHalf256 for B in q8_0 with a scale for each row.
//
//go:noescape
func gemmFewQ8V256(c *float32, ldc int, a *float32, sai, sap int, b *int8, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int, s *float32)

// softmaxRow256: p holds one query's dots with the 256 keys of a page and receives their probabilities, 0 <= lo < hi <=
// 256. Elements outside [lo, hi) are scratch in the blocks of 16 that [lo, hi) touches, else neither read nor written.
//
//	for lo <= j < hi { p[j] *= scale; max = larger of max (from -Inf) and p[j] }
//	for lo <= j < hi { p[j] = Exp32(p[j]-max); lane[j%16] += p[j] }; sum = tree16(lane)
//
//go:noescape
func softmaxRow256(p *float32, lo, hi int, scale float32) (max, sum float32)

// attendMerge256: a, b = Exp32(down), Exp32(pdown); for d < n { out[d] = fma(pout[d], b, float32(out[d]*a)) }, n a positive multiple of 8.
//
//go:noescape
func attendMerge256(out, pout *float32, n int, down, pdown float32) (a, b float32)
