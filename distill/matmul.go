package distill

// The three matrix products of a linear layer y = x·Wᵀ + b, W [out, in]. Each output element is one chain of fma in
// a fixed order, and workers share out panels of 32 output columns, so any number of workers gives the same bits.

const (
	panelCols = 32  // columns of a packed panel
	rowsCall  = 112 // rows a kernel call, keeps one call near 100 µs
)

// scratch is a worker's memory.
type scratch struct {
	panel []float32
	s     [8][]float32 // attention's matrices
}

// matmul: y[t,o] = chain over in of x[t,i]*W[o,i], then + bias[o].
func (g *Graph) matmul(y []float32, out int, x []float32, in int, w, bias []float32, n int) {
	g.par((out+panelCols-1)/panelCols, func(worker, p int) {
		j := p * panelCols
		cols := min(panelCols, out-j)
		s := g.scratch[worker]
		s.panel = resize(s.panel, in*panelCols)
		g.level.Transpose(s.panel, panelCols, w[j*in:], in, cols, in)
		for t := 0; t < n; t += rowsCall {
			m := min(rowsCall, n-t)
			g.level.GemmF32(y[t*out+j:], out, x[t*in:], in, 1, s.panel, panelCols, m, cols, in, false)
			for r := t; bias != nil && r < t+m; r++ {
				g.level.Add(y[r*out+j:r*out+j+cols], bias[j:j+cols])
			}
		}
	})
}

// matmulBackX: dx[t,i] (+)= chain over out of dy[t,o]*W[o,i]; acc continues the chain of what dx holds.
func (g *Graph) matmulBackX(dx []float32, in int, dy []float32, out int, w []float32, n int, acc bool) {
	g.par((in+panelCols-1)/panelCols, func(worker, p int) {
		j := p * panelCols
		cols := min(panelCols, in-j)
		s := g.scratch[worker]
		s.panel = packRows(s.panel, w[j:], in, out, cols)
		for t := 0; t < n; t += rowsCall {
			g.level.GemmF32(dx[t*in+j:], in, dy[t*out:], out, 1, s.panel, panelCols, min(rowsCall, n-t), cols, out, acc)
		}
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
	g.par((in+panelCols-1)/panelCols, func(worker, p int) {
		j := p * panelCols
		cols := min(panelCols, in-j)
		s := g.scratch[worker]
		s.panel = packRows(s.panel, x[j:], in, n, cols)
		for o := 0; o < out; o += rowsCall {
			g.level.GemmF32(dw[o*in+j:], in, g.dyT[o*n:], n, 1, s.panel, panelCols, min(rowsCall, out-o), cols, n, true)
		}
	})
}

// packRows copies cols columns of a [rows, ld] matrix into a panel of row stride panelCols.
func packRows(panel, src []float32, ld, rows, cols int) []float32 {
	panel = resize(panel, rows*panelCols)
	for r := 0; r < rows; r++ {
		copy(panel[r*panelCols:r*panelCols+cols], src[r*ld:])
	}
	return panel
}
