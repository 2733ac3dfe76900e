package distill

import "github.com/freehold-slm/freehold/kernels"

// The three matrix products of a linear layer y = x·Wᵀ + b, W [out, in]. Each output element is one chain of fma in
// a fixed order, and only outputs are shared out, so any number of workers and any blocking gives the same bits.
//
// All three are C = A·B with B packed in panels of 48 columns. A block of A's rows stays in a worker's second-level
// cache while all panels stream past it: panels are read in order, which the hardware prefetches.

const (
	panelCols  = 48 // columns of a packed panel
	packPanels = 4  // panels packed together: whole cache lines and few pages of B's rows at a time
)

// blocking cuts a product C [m, n] = A [m, k] · B [k, n]. In bf16 the arithmetic is so much faster than memory that
// blocks are taller.
type blocking struct {
	panel      int // columns of a panel
	tile, rows int // rows of A that suit the register tiles, and that a worker takes at most
	unit, step int // steps of the chain: a multiple of unit, at most step in one pass
	packed     int // values of B packed at a time
}

var (
	// 108 rows are 12 register tiles of 9; with 1024 steps they take half a megabyte of the second-level cache.
	blockingF32  = blocking{panel: panelCols, tile: 18, rows: 108, unit: 1, step: 1024, packed: 2 << 20}
	blockingBF16 = blocking{panel: kernels.BF16Cols, tile: 32, rows: 256, unit: kernels.BF16Step, step: 2048, packed: 4 << 20}
)

// scratch is a worker's memory.
type scratch struct {
	a        []float32 // a block of A's rows
	a16, t16 []uint16  // the same in bf16, and before it is transposed
	zero     []float32
	low      []float32    // of an adapter, for a block of rows
	s        [8][]float32 // attention's matrices
	att      *attendBF16
}

// operand is a matrix in memory: element (r, c) is at r*row + c*col; one of the steps is 1.
type operand struct {
	data     []float32
	row, col int
}

// matmul: y[t,o] = chain over in of x[t,i]*W[o,i], then + bias[o].
func (g *Graph) matmul(y []float32, out int, x []float32, in int, w, bias []float32, n int) {
	g.product(y, operand{x, in, 1}, operand{w, 1, in}, n, out, in, false, bias)
}

// matmulBackX: dx[t,i] (+)= chain over out of dy[t,o]*W[o,i]; acc continues the chain of what dx holds.
func (g *Graph) matmulBackX(dx []float32, in int, dy []float32, out int, w []float32, n int, acc bool) {
	g.product(dx, operand{dy, out, 1}, operand{w, in, 1}, n, in, out, acc, nil)
}

// matmulBackW: dw[o,i] += chain over the micro-batch's tokens, rising, of dy[t,o]*x[t,i].
func (g *Graph) matmulBackW(dw []float32, in int, dy []float32, out int, x []float32, n int) {
	g.product(dw, operand{dy, 1, out}, operand{x, in, 1}, out, in, n, true, nil)
}

// product computes C [m, n] = A [m, k] · B [k, n] (+ bias [n]), continuing the chains that C holds if acc.
func (g *Graph) product(c []float32, a, b operand, m, n, k int, acc bool, bias []float32) {
	by, block := blockingF32, g.productBlock
	if g.bf16 {
		by, block = blockingBF16, g.productBlockBF16
	}
	steps := even(k, by.step, by.unit)
	cols := even(n, max(1, by.packed/steps/by.panel)*by.panel, by.panel)
	rows := g.blockRows(m, &by)
	for p := 0; p < k; p += steps {
		for j := 0; j < n; j += cols {
			block(c[j:], n, a, b, p, min(steps, k-p), j, min(cols, n-j), m, rows, acc || p > 0)
		}
	}
	if bias != nil {
		g.eachRow(m, func(r int) { g.level.Add(c[r*n:r*n+n], bias) })
	}
}

// blockRows is how many of m rows a worker takes at a time: the same number of parts for every worker.
func (g *Graph) blockRows(m int, by *blocking) int {
	parts := (m + by.rows - 1) / by.rows
	parts = (parts + len(g.scratch) - 1) / len(g.scratch) * len(g.scratch)
	return even(m, max(1, (m+parts-1)/parts), by.tile)
}

// productBlock continues C's columns [j, j+cols) by the chain's part [p, p+steps), in blocks of rows.
func (g *Graph) productBlock(c []float32, ldc int, a, b operand, p, steps, j, cols, m, rows int, acc bool) {
	panels := (cols + panelCols - 1) / panelCols
	g.packed = resize(g.packed, panels*panelCols*steps)
	g.par((panels+packPanels-1)/packPanels, func(_, i int) {
		lo, hi := i*packPanels*panelCols, min(cols, (i+1)*packPanels*panelCols)
		g.pack(g.packed[lo*steps:], b.at(p, j+lo), b, steps, hi-lo)
	})
	g.shareOut(m, rows, panels, func(worker, r, m, lo, hi int) {
		x, row, col := a.at(r, p), a.row, a.col
		if col != 1 { // a column of A is contiguous: copied, or every step would touch another page
			s := g.scratch[worker]
			s.a = resize(s.a, steps*m)
			for t := range steps {
				copy(s.a[t*m:t*m+m], x[t*col:])
			}
			x, row, col = s.a, 1, m
		}
		for l := lo * panelCols; l < min(cols, hi*panelCols); l += panelCols {
			g.level.GemmF32(c[r*ldc+l:], ldc, x, row, col, g.packed[l*steps:], panelCols, m, min(panelCols, cols-l), steps, acc)
		}
	})
}

// shareOut runs fn on blocks of rows and, where these are fewer than the workers, on some of the panels [lo, hi) of each.
func (g *Graph) shareOut(m, rows, panels int, fn func(worker, r, m, lo, hi int)) {
	blocks, spans := (m+rows-1)/rows, 1
	if blocks < len(g.scratch) {
		spans = min(panels, len(g.scratch))
	}
	g.par(blocks*spans, func(worker, i int) {
		r, span := i/spans*rows, i%spans
		fn(worker, r, min(rows, m-r), span*panels/spans, (span+1)*panels/spans)
	})
}

func (o *operand) at(r, c int) []float32 { return o.data[r*o.row+c*o.col:] }

// pack lays cols columns of B, from src on, out in panels [steps, panelCols].
func (g *Graph) pack(dst, src []float32, b operand, steps, cols int) {
	if b.col != 1 {
		for l := 0; l < cols; l += panelCols {
			g.level.Transpose(dst[l*steps:], panelCols, src[l*b.col:], b.col, min(panelCols, cols-l), steps)
		}
		return
	}
	for t := range steps {
		row := src[t*b.row:]
		for l := 0; l < cols; l += panelCols {
			copy(dst[l*steps+t*panelCols:][:panelCols], row[l:min(cols, l+panelCols)])
		}
	}
}

// even splits n into parts of equal size, at most most, rounded up to a multiple of unit.
func even(n, most, unit int) int {
	parts := max(1, (n+most-1)/most)
	return max(unit, ((n+parts-1)/parts+unit-1)/unit*unit)
}
