package distill

import "github.com/freehold-slm/freehold/kernels"

// lowRank is what goes beside a product C = A·B: C += low·up, low = scale A·down.
type lowRank struct {
	down, up operand // [k, rank], [rank, n]
	rank     int
	scale    float32
	low      []float32 // [m, rank], written
}

// productBeside is product with side beside it, to the bits of the products one after another. In bf16 A is rounded once for
// both, and low makes its rows longer, so that C is written once: a product of rank 16 has next to no arithmetic, and costs
// what it reads and writes.
func (g *Graph) productBeside(c []float32, a, b operand, side *lowRank, m, n, k int, acc bool) {
	if g.bf16 && k <= blockingBF16.step {
		g.besideBF16(c, a, b, side, m, n, k, acc)
		return
	}
	g.product(c, a, b, m, n, k, acc, nil)
	g.product(side.low, a, side.down, m, side.rank, k, false, nil)
	g.level.Scale(side.low, side.scale)
	g.product(c, operand{side.low, side.rank, 1}, side.up, m, n, side.rank, true, nil)
}

func (g *Graph) besideBF16(c []float32, a, b operand, side *lowRank, m, n, k int, acc bool) {
	const width = kernels.BF16Cols
	kw, lowSteps := wholeSteps(k), wholeSteps(side.rank)
	steps, lowCols := kw+lowSteps, (side.rank+width-1)/width*width
	cols := even(n, max(1, blockingBF16.packed/steps/width)*width, width)
	rows := g.blockRows(m, &blockingBF16)
	g.down16 = resize16(g.down16, lowCols*kw)
	g.packBF16(g.down16, side.down.data, side.down, k, kw, kw, side.rank)
	for j := 0; j < n; j += cols {
		nc := min(cols, n-j)
		panels := (nc + width - 1) / width
		g.packed16 = resize16(g.packed16, panels*width*steps)
		g.packBF16(g.packed16, b.at(0, j), b, k, kw, steps, nc)
		g.packBF16(g.packed16[width*kw:], side.up.at(0, j), side.up, side.rank, lowSteps, steps, nc)
		g.shareOut(m, rows, panels, func(worker, r, m, lo, hi int) {
			s := g.scratch[worker]
			x, ld := g.rowsBF16(s, a.at(r, 0), a, m, k, steps)
			s.low = resize(s.low, m*lowCols)
			for l := 0; l < lowCols; l += width {
				g.level.GemmBF16(s.low[l:], lowCols, x, ld, g.down16[l*kw:], m, width, kw, false)
			}
			for i := range m {
				low := s.low[i*lowCols:][:side.rank]
				g.level.Scale(low, side.scale)
				g.level.BF16Row(x[i*ld+kw:][:side.rank], low)
				if j == 0 && lo == 0 {
					copy(side.low[(r+i)*side.rank:], low)
				}
			}
			for l := lo * width; l < min(nc, hi*width); l += width {
				g.level.GemmBF16(c[r*n+j+l:], n, x, ld, g.packed16[l*steps:], m, min(width, nc-l), steps, acc)
			}
		})
	}
}
