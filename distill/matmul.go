package distill

// The three matrix products of a linear layer y = x·Wᵀ + b, W [out, in]. Each output element is one chain of fma in
// a fixed order, and workers share out panels of 32 output columns, so any number of workers gives the same bits.

const (
	panelCols = 32  // columns of a packed panel
	rowsCall  = 112 // rows a kernel call: keeps one call near 100 µs and its rows in the second-level cache
	maxGroup  = 8   // panels that a worker packs at a time
)

// scratch is a worker's memory.
type scratch struct {
	panel []float32
	s     [8][]float32 // attention's matrices
}

// product computes C [rows, n] = A [rows, k] · B [k, n] in panels of B's columns. A worker packs a few panels and then
// walks the rows once for all of them, so that A comes from far memory once a group and not once a panel.
func (g *Graph) product(rows, n, k int, pack func(panel []float32, j, cols int), gemm func(panel []float32, j, cols, r, m int)) {
	total := (n + panelCols - 1) / panelCols
	group := max(1, min(maxGroup, total/(2*len(g.scratch))))
	g.par((total+group-1)/group, func(worker, p int) {
		first := p * group
		count := min(group, total-first)
		s := g.scratch[worker]
		s.panel = resize(s.panel, count*k*panelCols)
		at := func(c int) (panel []float32, j, cols int) {
			j = (first + c) * panelCols
			return s.panel[c*k*panelCols : (c+1)*k*panelCols], j, min(panelCols, n-j)
		}
		for c := range count {
			pack(at(c))
		}
		for r := 0; r < rows; r += rowsCall {
			for c := range count {
				panel, j, cols := at(c)
				gemm(panel, j, cols, r, min(rowsCall, rows-r))
			}
		}
	})
}

// matmul: y[t,o] = chain over in of x[t,i]*W[o,i], then + bias[o].
func (g *Graph) matmul(y []float32, out int, x []float32, in int, w, bias []float32, n int) {
	g.product(n, out, in,
		func(panel []float32, j, cols int) { g.level.Transpose(panel, panelCols, w[j*in:], in, cols, in) },
		func(panel []float32, j, cols, t, m int) {
			g.level.GemmF32(y[t*out+j:], out, x[t*in:], in, 1, panel, panelCols, m, cols, in, false)
			for r := t; bias != nil && r < t+m; r++ {
				g.level.Add(y[r*out+j:r*out+j+cols], bias[j:j+cols])
			}
		})
}

// matmulBackX: dx[t,i] (+)= chain over out of dy[t,o]*W[o,i]; acc continues the chain of what dx holds.
func (g *Graph) matmulBackX(dx []float32, in int, dy []float32, out int, w []float32, n int, acc bool) {
	g.product(n, in, out,
		func(panel []float32, j, cols int) { packRows(panel, w[j:], in, out, cols) },
		func(panel []float32, j, cols, t, m int) {
			g.level.GemmF32(dx[t*in+j:], in, dy[t*out:], out, 1, panel, panelCols, m, cols, out, acc)
		})
}

// matmulBackW: dw[o,i] += chain over the micro-batch's tokens, rising, of dy[t,o]*x[t,i].
//
// dy is laid out by output first: reading its columns would touch a new page for every token.
func (g *Graph) matmulBackW(dw []float32, in int, dy []float32, out int, x []float32, n int) {
	g.dyT = resize(g.dyT, out*n)
	g.par((out+panelCols-1)/panelCols, func(_, p int) {
		o := p * panelCols
		g.level.Transpose(g.dyT[o*n:], n, dy[o:], out, n, min(panelCols, out-o))
	})
	g.product(out, in, n,
		func(panel []float32, j, cols int) { packRows(panel, x[j:], in, n, cols) },
		func(panel []float32, j, cols, o, m int) {
			g.level.GemmF32(dw[o*in+j:], in, g.dyT[o*n:], n, 1, panel, panelCols, m, cols, n, true)
		})
}

// packRows copies cols columns of a [rows, ld] matrix into a panel of row stride panelCols.
func packRows(panel, src []float32, ld, rows, cols int) {
	for r := range rows {
		copy(panel[r*panelCols:r*panelCols+cols], src[r*ld:])
	}
}
