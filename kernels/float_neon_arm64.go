//go:build !purego

package kernels

import (
	"math"
	"unsafe"
)

// neonFloat fills l with this level's kernels of the float group.
func neonFloat(l *Level) {
	l.GemmF32 = tiles128.gemm
	l.Transpose = transpose128
	l.AttendPage = func(p *AttnPage) { tiles128.attend(l, p, softmaxRowNEON) }
	l.AttendMerge = attendMergeBy(4, attendMerge128)
}

var tiles128 = floatTiles{rows: 6, cols: 16,
	f32: func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, _, m, n, k int, acc bool) {
		gemmCols128(c, ldc, a, sai, sap, b, ldb, m, n, k, acc)
	},
	f16: func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, _, m, n, k int, acc bool) {
		if n == 16 {
			gemmTileHalf128(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, m, k, acc)
		} else {
			gemmTileHalf8x128(c, 4*ldc, a, 4*sai, 4*sap, b, 2*ldb, m, k, acc)
		}
	},
	q8: &q8Tiles{rows: 3, cols: 16, round: roundQuery128, weights: weights16x128,
		dot: func(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb, _ int, s *float32, snext, m, rounds, groups int, _ asked) {
			dotQ8x128(c, 4*ldc, a, 2*lda, d, 4*ldd, b, ldb, s, 4*snext, m, ActBlock/2*rounds, groups)
		},
	},
}

// gemmCols128 is the tile of floatTiles: 16 columns at once, or the fewer there are by 8, 4 and 1.
func gemmCols128(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, n, k int, acc bool) {
	ldc, sai, sap, ldb = 4*ldc, 4*sai, 4*sap, 4*ldb
	for at := 0; at < n; {
		c, b := offset(c, at), offset(b, at)
		switch left := n - at; {
		case left >= 16:
			gemmTile128(c, ldc, a, sai, sap, b, ldb, m, k, acc)
			at += 16
		case left >= 8:
			gemmTile8x128(c, ldc, a, sai, sap, b, ldb, m, k, acc)
			at += 8
		case left >= 4:
			gemmTile4x128(c, ldc, a, sai, sap, b, ldb, m, k, acc)
			at += 4
		default:
			gemmTile1x128(c, ldc, a, sai, sap, b, ldb, m, k, acc)
			at++
		}
	}
}

func offset(p *float32, n int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n)) }

// gemmTile128 is the tile of floatTiles with 6 rows and 16 columns, all of which exist: m in 1..6, strides in bytes.
//
//	for i < m, j < 16: x = acc ? c[i,j] : 0; for p < k { x = fma(a(i,p), b[p,j], x) }; c[i,j] = x
//
//go:noescape
func gemmTile128(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, k int, acc bool)

// gemmTile8x128 is gemmTile128 for 8 columns.
//
//go:noescape
func gemmTile8x128(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, k int, acc bool)

// gemmTile4x128 is gemmTile128 for 4 columns.
//
//go:noescape
func gemmTile4x128(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, k int, acc bool)

// gemmTile1x128 is gemmTile128 for one column.
//
//go:noescape
func gemmTile1x128(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, k int, acc bool)

// gemmTileHalf128 is gemmTile128 for B in half precision.
//
//go:noescape
func gemmTileHalf128(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, m, k int, acc bool)

// gemmTileHalf8x128 is gemmTileHalf128 for 8 columns.
//
//go:noescape
func gemmTileHalf8x128(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, m, k int, acc bool)

// roundQuery128 is round of q8Tiles.
func roundQuery128(codes *int16, d, x *float32, blocks int) {
	q, scales, from := unsafe.Slice(codes, blocks*ActBlock), unsafe.Slice(d, blocks), unsafe.Slice(x, blocks*ActBlock)
	for b := range scales {
		scales[b] = round16x128(&q[b*ActBlock], &from[b*ActBlock], ActBlock/16)
	}
}

// weights16x128 is weights of q8Tiles.
func weights16x128(codes *int16, d, p, s *float32, lo, hi int, _ asked) {
	var w [PageKeys]float32
	first, end := lo&^15, (hi+15)&^15
	weigh16x128(&w[first], &unsafe.Slice(p, PageKeys)[first], &unsafe.Slice(s, PageKeys)[first], (end-first)/16)
	clear(w[first:lo])
	clear(w[hi:end])
	*d = round16x128(&unsafe.Slice(codes, PageKeys)[first], &w[first], (end-first)/16)
}

// round16x128 is round16 of blocks of 16 of x, which have one scale.
//
//go:noescape
func round16x128(codes *int16, x *float32, blocks int) (d float32)

// weigh16x128 is weight16 of blocks of 16 of p and s.
//
//go:noescape
func weigh16x128(w, p, s *float32, blocks int)

// dotQ8x128 is dot of q8Tiles: m in 1..3, strides in bytes, pairs of p in each group.
//
//go:noescape
func dotQ8x128(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb int, s *float32, snext, m, pairs, groups int)

// softmaxRowNEON: p holds one query's dots with the 256 keys of a page and receives their probabilities, 0 <= lo < hi <=
// 256. Elements outside [lo, hi) are scratch in the blocks of 16 that [lo, hi) touches, else neither read nor written:
// there they are -Inf, which is no larger than anything and whose exponential is +0.
//
//	for lo <= j < hi { p[j] *= scale; max = larger of max (from -Inf) and p[j] }
//	for lo <= j < hi { p[j] = Exp32(p[j]-max); lane[j%16] += p[j] }; sum = tree16(lane)
func softmaxRowNEON(p *float32, lo, hi int, scale float32, _ asked) (max, sum float32) {
	first, end := lo&^15, (hi+15)&^15
	page := unsafe.Slice(p, PageKeys)
	x := page[first:end]
	scale128(&x[0], len(x), scale)
	none := float32(math.Inf(-1))
	for j := first; j < lo; j++ {
		page[j] = none
	}
	for j := hi; j < end; j++ {
		page[j] = none
	}
	max = maxNEON(x)
	return max, softmaxExpNEON(x, x, max)
}

// transpose128 is Level.Transpose by bands of 4 rows.
func transpose128(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	transposeBands(dst, ldd, src, lds, rows, cols, 4, transposeRows128)
}

// transposeRows128 transposes 4 rows of 4*quads columns, quads > 0; strides in bytes.
//
//	for j < 4*quads, i < 4: dst[j,i] = src[i,j]
//
//go:noescape
func transposeRows128(dst *float32, ldd int, src *float32, lds int, quads int)
