package distill

import (
	"unsafe"

	"github.com/freehold-slm/freehold/kernels"
)

// The same three products in bf16: both operands are rounded to bf16 as they are packed; sums, weights and everything
// else stay in f32.

// productBlockBF16 is productBlock for a level that has GemmBF16.
func (g *Graph) productBlockBF16(c []float32, ldc int, a, b operand, p, steps, j, cols, m, rows int, acc bool) {
	const width = kernels.BF16Cols
	panels := (cols + width - 1) / width
	k := (steps + kernels.BF16Step - 1) / kernels.BF16Step * kernels.BF16Step // the rest is zero on both sides
	g.packed16 = resize16(g.packed16, panels*width*k)
	g.packBF16(g.packed16, b.at(p, j), b, steps, k, k, cols)
	g.shareOut(m, rows, panels, func(worker, r, m, lo, hi int) {
		x, ld := g.rowsBF16(g.scratch[worker], a.at(r, p), a, m, steps, k)
		for l := lo * width; l < min(cols, hi*width); l += width {
			g.level.GemmBF16(c[r*ldc+l:], ldc, x, ld, g.packed16[l*k:], m, min(width, cols-l), k, acc)
		}
	})
}

// rowsBF16 gives m rows of A, [m, k] with row stride ld, k beyond steps zero.
func (g *Graph) rowsBF16(s *scratch, src []float32, a operand, m, steps, k int) (x []uint16, ld int) {
	ld = k + kernels.BF16Step // an odd multiple of 64 bytes spreads the rows over the cache's sets
	if k/kernels.BF16Step%2 == 1 {
		ld = k
	}
	s.a16 = resize16(s.a16, (m+15)&^15*ld)
	if a.col == 1 {
		for r := range m {
			row := s.a16[r*ld : r*ld+k]
			g.level.BF16Row(row, src[r*a.row:r*a.row+steps])
			clear(row[steps:])
		}
		return s.a16, ld
	}
	s.t16 = resize16(s.t16, m*k)
	for t := 0; t < k; t += 2 {
		g.pairBF16(s, s.t16[t*m:], src, a.col, m, t, steps)
	}
	g.level.Transpose(asFloats(s.a16), ld/2, asFloats(s.t16), m, k/2, m)
	return s.a16, ld
}

// packRows rows of B are packed by a worker at a time where its rows are contiguous: read in order, whole.
const packRows = 32

// packBF16 lays cols columns of B, from src on, out in panels [k/2, BF16Cols, 2], which are room steps apart.
func (g *Graph) packBF16(dst []uint16, src []float32, b operand, steps, k, room, cols int) {
	const width = kernels.BF16Cols
	if b.col == 1 {
		g.par((k+packRows-1)/packRows, func(worker, i int) {
			g.packPairs(g.scratch[worker], dst, src, b.row, steps, room, cols, i*packRows, min(k, (i+1)*packRows))
		})
		return
	}
	g.par((cols+width-1)/width, func(worker, i int) {
		g.packTurned(g.scratch[worker], dst[i*width*room:][:width*k], src[i*width*b.col:], b.col, steps, k, min(width, cols-i*width))
	})
}

// packPairs packs rows [lo, hi) of src [steps, cols], row stride ld; rows from steps on are zero.
func (g *Graph) packPairs(s *scratch, dst []uint16, src []float32, ld, steps, room, cols, lo, hi int) {
	const width = kernels.BF16Cols
	panels := (cols + width - 1) / width
	s.t16 = resize16(s.t16, panels*width*2)
	clear(s.t16[2*cols:])
	for t := lo; t < hi; t += 2 {
		g.pairBF16(s, s.t16, src, ld, cols, t, steps)
		for l := range panels {
			copy(dst[l*width*room+t*width:][:2*width], s.t16[l*2*width:])
		}
	}
}

// packTurned packs a panel of n columns that are rows of src [n, steps], row stride ld.
func (g *Graph) packTurned(s *scratch, panel []uint16, src []float32, ld, steps, k, n int) {
	const width = kernels.BF16Cols
	if n < width {
		clear(panel)
	}
	s.t16 = resize16(s.t16, n*k)
	for i := range n {
		row := s.t16[i*k : i*k+k]
		g.level.BF16Row(row, src[i*ld:][:steps])
		clear(row[steps:])
	}
	g.level.Transpose(asFloats(panel), width, asFloats(s.t16), k/2, n, k/2)
}

// pairBF16 interleaves rows t and t+1 of src [steps, n], row stride ld, in dst [2n]; rows from steps on are zero.
func (g *Graph) pairBF16(s *scratch, dst []uint16, src []float32, ld, n, t, steps int) {
	switch {
	case t+1 < steps:
		g.level.BF16Pairs(dst, src[t*ld:t*ld+n], src[(t+1)*ld:])
	case t < steps:
		if len(s.zero) < n {
			s.zero = make([]float32, n)
		}
		g.level.BF16Pairs(dst, src[t*ld:t*ld+n], s.zero)
	default:
		clear(dst[:2*n])
	}
}

// asFloats views pairs of bf16 as elements of 32 bits, which Transpose moves untouched.
func asFloats(x []uint16) []float32 {
	if len(x) < 2 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&x[0])), len(x)/2)
}

func resize16(s []uint16, n int) []uint16 {
	if cap(s) < n {
		return make([]uint16, n, n+n/8)
	}
	return s[:n]
}
