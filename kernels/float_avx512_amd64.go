//go:build !purego

package kernels

// avx512Float fills l with this level's kernels of the float group.
func avx512Float(l *Level) {
	l.GemmF32 = tiles512.gemm
	l.Transpose = transpose512
	l.AttendPage = func(p *AttnPage) { tiles512.attend(l, p, softmaxAsking512) }
	l.AttendMerge = attendMergeBy(1, attendMerge512)
}

func softmaxAsking512(p *float32, lo, hi int, scale float32, o asked) (max, sum float32) {
	return softmaxRow512(p, lo, hi, scale, o.at, o.run, o.back)
}

var tiles512 = floatTiles{rows: 14, cols: 32,
	f32: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1, m, n, k int, acc bool) {
		gemmTile512(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, uint32(1<<n-1), acc)
	},
	f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, n, k int, acc bool) {
		gemmTileHalf512(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, uint32(1<<n-1), acc)
	},
	few: &fewTiles{rows: 4, cols: 64, queries: 8, values: 512, known: 1024, // 7 of 64 are faster; 6 of 128 and 4 of 256 are from memory, not from a cache
		f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, k int, acc bool, o asked) {
			gemmFewHalf512(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, 2*b1, m, k, acc, o.at, o.run, o.back)
		},
	},
	q8: &q8Tiles{rows: 4, cols: 32, round: round16x512,
		weights: func(codes *int16, d, p, s *float32, lo, hi int, o asked) {
			weights16x512(codes, d, p, s, lo, hi, o.at, o.run, o.back)
		},
		dot: func(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb, b1 int, s *float32, snext, m, rounds, groups int, o asked) {
			dotQ8x512(c, 4*ldc, a, 2*lda, d, 4*ldd, b, ldb, b1, s, 4*snext, m, rounds, groups, o.at, o.run, o.back)
		},
	},
	wide: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, n, k int, acc bool) {
		gemmWide512(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, m, k, 1<<n-1, acc)
	},
}

// amxFloat gives attention of many queries its own tile. Level avx512 goes without: there SmolLM2 and Qwen2.5 0.5B became 2-3 % slower,
// though attention alone gains 15 % (Xeon of the Sapphire Rapids class, likely its clock; bench/LOG.md, 2026-11-22).
func amxFloat(l *Level) {
	l.AttendPage = func(p *AttnPage) { tilesAMX.attend(l, p, softmaxAsking512) }
}

var tilesAMX = func() floatTiles {
	t := tiles512
	t.many = &manyTiles{rows: 6, cols: 64, queries: 16,
		f32: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, acc bool) {
			gemmMany512(c, 4*ldc, a, 4*sai, 4*sap, b, 4*ldb, 4*b1, m, k, acc)
		},
		half: func(dst *float32, src *uint16, stride, rows int) { halfRows512(dst, src, 2*stride, rows) },
	}
	return t
}()

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

// gemmMany512 is the tile of manyTiles: m in 1..6, k > 0, strides in bytes.
//
//go:noescape
func gemmMany512(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, acc bool)

// halfRows512: dst[64*r+j] = src[r,j] for j < 64, rows of src stride bytes apart, rows > 0.
//
//go:noescape
func halfRows512(dst *float32, src *uint16, stride, rows int)

// gemmTileHalf512 is gemmTile512 for B in half precision.
//
//go:noescape
func gemmTileHalf512(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask uint32, acc bool)

// gemmFewHalf512 is the tile of fewTiles for B in half precision: m in 1..4, k > 0, strides in bytes.
//
//go:noescape
func gemmFewHalf512(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1 int, m, k int, acc bool, at uintptr, run, back int)

// round16x512, weights16x512 and dotQ8x512 are those of q8Tiles: m in 1..4, strides in bytes, blocks, rounds and groups > 0.
//
//go:noescape
func round16x512(codes *int16, d, x *float32, blocks int)

//go:noescape
func weights16x512(codes *int16, d, p, s *float32, lo, hi int, at uintptr, run, back int)

//go:noescape
func dotQ8x512(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb, b1 int, s *float32, snext, m, rounds, groups int, at uintptr, run, back int)

// softmaxRow512: p holds one query's dots with the 256 keys of a page and receives their probabilities, 0 <= lo < hi <=
// 256. Elements outside [lo, hi) are scratch in the blocks of 16 that [lo, hi) touches, else neither read nor written.
//
//	for lo <= j < hi { p[j] *= scale; max = larger of max (from -Inf) and p[j] }
//	for lo <= j < hi { p[j] = Exp32(p[j]-max); lane[j%16] += p[j] }; sum = tree16(lane)
//
//go:noescape
func softmaxRow512(p *float32, lo, hi int, scale float32, at uintptr, run, back int) (max, sum float32)

// attendMerge512: a, b = Exp32(down), Exp32(pdown); for d < n { out[d] = fma(pout[d], b, float32(out[d]*a)) }, n > 0.
//
//go:noescape
func attendMerge512(out, pout *float32, n int, down, pdown float32) (a, b float32)
