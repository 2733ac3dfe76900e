//go:build !purego

package kernels

// avx2Float fills l with this level's kernels of the float group.
func avx2Float(l *Level) {
	l.GemmF32 = tiles256.gemm
	l.Transpose = transpose256
	l.AttendPage = func(p *AttnPage) { tiles256.attend(l, p, softmaxAsking256) }
	l.AttendMerge = attendMergeBy(8, attendMerge256)
}

func softmaxAsking256(p *float32, lo, hi int, scale float32, o asked) (max, sum float32) {
	return softmaxRow256(p, lo, hi, scale, o.at, o.run, o.back)
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
	q8: &q8Tiles{rows: 4, cols: 16, round: round16x256,
		weights: func(codes *int16, d, p, s *float32, lo, hi int, o asked) {
			weights16x256(codes, d, p, s, lo, hi, o.at, o.run, o.back)
		},
		dot: func(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb, _ int, s *float32, snext, m, rounds, groups int, o asked) {
			dotQ8x256(c, 4*ldc, a, 2*lda, d, 4*ldd, b, ldb, s, 4*snext, m, rounds, groups, o.at, o.run, o.back)
		},
	},
	few: &fewTiles{rows: 3, cols: 32, queries: 3, values: 512, known: 512, // two passes over B gain nothing
		f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, k int, acc bool, o asked) {
			gemmFewHalf256(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, acc, o.at, o.run, o.back)
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

// gemmFewHalf256 is the tile of fewTiles for B in half precision: m in 1..3, k > 0, strides in bytes. A row of B is 16
// columns and, b1 after them, 16 more.
//
//go:noescape
func gemmFewHalf256(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int)

// round16x256, weights16x256 and dotQ8x256 are those of q8Tiles: m in 1..4, strides in bytes, blocks, rounds and groups > 0.
//
//go:noescape
func round16x256(codes *int16, d, x *float32, blocks int)

//go:noescape
func weights16x256(codes *int16, d, p, s *float32, lo, hi int, at uintptr, run, back int)

//go:noescape
func dotQ8x256(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb int, s *float32, snext, m, rounds, groups int, at uintptr, run, back int)

// softmaxRow256: p holds one query's dots with the 256 keys of a page and receives their probabilities, 0 <= lo < hi <=
// 256. Elements outside [lo, hi) are scratch in the blocks of 16 that [lo, hi) touches, else neither read nor written.
//
//	for lo <= j < hi { p[j] *= scale; max = larger of max (from -Inf) and p[j] }
//	for lo <= j < hi { p[j] = Exp32(p[j]-max); lane[j%16] += p[j] }; sum = tree16(lane)
//
//go:noescape
func softmaxRow256(p *float32, lo, hi int, scale float32, at uintptr, run, back int) (max, sum float32)

// attendMerge256: a, b = Exp32(down), Exp32(pdown); for d < n { out[d] = fma(pout[d], b, float32(out[d]*a)) }, n a positive multiple of 8.
//
//go:noescape
func attendMerge256(out, pout *float32, n int, down, pdown float32) (a, b float32)
