package distill

// The three matrix products of a linear layer y = x·Wᵀ + b, W [out, in]. Each output element is one chain of fma in
// a fixed order, and only outputs are shared out, so any number of workers and any blocking gives the same bits.
//
// All three are C = A·B with B packed in panels of 48 columns. A block of A's rows stays in a worker's second-level
// cache while all panels stream past it: panels are read in order, which the hardware prefetches.

const (
	panelCols  = 48      // columns of a packed panel
	tileRows   = 18      // rows of A that suit the register tiles
	packPanels = 4       // panels packed together: whole cache lines and few pages of B's rows at a time
	blockRows  = 108     // rows of A that a worker takes, at most: 12 register tiles of 9
	blockSteps = 1024    // of the chain in one pass, at most: with blockRows of A half a megabyte
	packFloats = 2 << 20 // packed at a time: 8 MiB
)

// scratch is a worker's memory.
type scratch struct {
	a        []float32 // a block of A's rows
	a16, t16 []uint16  // the same in bf16, and before it is transposed
	zero     []float32
	s        [8][]float32 // attention's matrices
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
	if g.bf16 {
		g.productBF16(c, a, b, m, n, k, acc)
	} else {
		g.productF32(c, a, b, m, n, k, acc)
	}
	for i := 0; bias != nil && i < m; i++ {
		g.level.Add(c[i*n:i*n+n], bias)
	}
}

func (g *Graph) productF32(c []float32, a, b operand, m, n, k int, acc bool) {
	steps := even(k, blockSteps, 1)
	cols := even(n, max(1, packFloats/steps/panelCols)*panelCols, panelCols)
	rows := evenFor(len(g.scratch), m, blockRows, tileRows)
	for p := 0; p < k; p += steps {
		for j := 0; j < n; j += cols {
			g.productBlock(c[j:], n, a, b, p, min(steps, k-p), j, min(cols, n-j), m, rows, acc || p > 0)
		}
	}
}

// productBlock continues C's columns [j, j+cols) by the chain's part [p, p+steps), in blocks of rows.
func (g *Graph) productBlock(c []float32, ldc int, a, b operand, p, steps, j, cols, m, rows int, acc bool) {
	panels := (cols + panelCols - 1) / panelCols
	g.packed = resize(g.packed, panels*panelCols*steps)
	g.par((panels+packPanels-1)/packPanels, func(_, i int) {
		lo, hi := i*packPanels*panelCols, min(cols, (i+1)*packPanels*panelCols)
		g.pack(g.packed[lo*steps:], b.at(p, j+lo), b, steps, hi-lo)
	})
	g.par((m+rows-1)/rows, func(worker, i int) {
		r, m := i*rows, min(rows, m-i*rows)
		x, row, col := a.at(r, p), a.row, a.col
		if col != 1 { // a column of A is contiguous: copied, or every step would touch another page
			s := g.scratch[worker]
			s.a = resize(s.a, steps*m)
			for t := range steps {
				copy(s.a[t*m:t*m+m], x[t*col:])
			}
			x, row, col = s.a, 1, m
		}
		for l := 0; l < cols; l += panelCols {
			g.level.GemmF32(c[r*ldc+l:], ldc, x, row, col, g.packed[l*steps:], panelCols, m, min(panelCols, cols-l), steps, acc)
		}
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

// evenFor is even with the same number of parts for every worker.
func evenFor(workers, n, most, unit int) int {
	parts := max(1, (n+most-1)/most)
	parts = (parts + workers - 1) / workers * workers
	return even(n, max(1, (n+parts-1)/parts), unit)
}
