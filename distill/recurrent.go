package distill

import (
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// Convolutions and scans of state spaces, forward and in reverse. Workers take channels, never tokens; where channels share a
// gradient (B and C), each block of them gives its own sum, and the sums are added in the order of the blocks.

// convWeights are the rows of o's weight with tokens as rows, [Cols, w].
func (g *Graph) convWeights(o *models.Op, w int) []float32 {
	g.taps = resize(g.taps, o.Cols*w)
	g.level.Transpose(g.taps, w, g.student.byName[o.W].W[o.Row*o.Cols:], o.Cols, w, o.Cols)
	return g.taps
}

// conv: a token's output is the chain over the tokens it sees, the oldest first, then the bias.
func (g *Graph) conv(o *models.Op, out, in []float32, w int) {
	taps, bias := g.convWeights(o, w), g.student.biasOf(o).W
	g.eachPosition(func(r, pos int) {
		seen := min(pos+1, o.Cols)
		dst := out[r*w : r*w+w]
		g.level.Conv(dst, in[(r+1-seen)*w:], w, taps[(o.Cols-seen)*w:], w, seen)
		if bias != nil {
			g.level.Add(dst, bias[o.Row:][:w])
		}
	})
}

// convBlock channels of a convolution go to a worker at a time, in reverse.
const convBlock = 64

// convBack: dx of a token is the sum over the tokens that see it, dW the sum over all tokens, both in rising order.
func (g *Graph) convBack(o *models.Op, dx, dy, x []float32, w int) {
	taps, weight, bias := g.convWeights(o, w), g.student.byName[o.W], g.student.biasOf(o)
	g.par((w+convBlock-1)/convBlock, func(worker, block int) {
		from, to := block*convBlock, min(w, (block+1)*convBlock)
		n := to - from
		s := g.scratch[worker]
		s.s[0] = resize(s.s[0], o.Cols*n)
		dw := s.s[0]
		clear(dw)
		g.eachPosition(func(r, pos int) {
			d := dy[r*w+from : r*w+to]
			for i := max(0, o.Cols-1-pos); i < o.Cols; i++ {
				at := (r + 1 - o.Cols + i) * w
				g.level.MulAdd(dx[at+from:at+to], d, taps[i*w+from:i*w+to])
				g.level.MulAdd(dw[i*n:(i+1)*n], d, x[at+from:at+to])
			}
			if bias.G != nil {
				g.level.Add(bias.G[o.Row+from:o.Row+to], d)
			}
		})
		if weight.G == nil {
			return
		}
		for j := range n {
			for i := range o.Cols {
				weight.G[(o.Row+from+j)*o.Cols+i] += dw[i*n+j]
			}
		}
	})
}

// scanWidth channels, or one head, make a block.
const scanWidth = 64

// scanBlocks cuts the channels of a scan into blocks of whole heads.
func (g *Graph) scanBlocks(o *models.Op, w int) []kernels.ScanBlock {
	size := w / o.Heads
	return kernels.ScanBlocks(g.student.byName[o.W].W, g.student.byName[o.B].W, w, o.Cols, o.Parts, size*max(1, scanWidth/size), o.Shared)
}

// scan runs the state space over each sequence from zeros on.
func (g *Graph) scan(o *models.Op, out, x, dt, bc []float32, w int) {
	blocks, n := g.scanBlocks(o, w), o.Cols
	g.par(len(blocks), func(worker, i int) {
		p, s := &blocks[i], g.scratch[worker]
		s.s[0], s.s[1] = resize(s.s[0], p.N*n), resize(s.s[1], p.N*(n+1))
		g.eachPosition(func(r, pos int) {
			if pos == 0 {
				clear(s.s[0])
			}
			row := bc[r*2*o.Parts*n:]
			g.level.ScanToken(p, out[r*w+p.First:][:p.N], s.s[0], x[r*w+p.First:][:p.N], dt[r*o.Heads:][:o.Heads],
				row[p.Group*n:][:n], row[(o.Parts+p.Group)*n:][:n], s.s[1])
		})
	})
}

// scanBack computes the states of a sequence anew, keeps them all, and goes back from its last token.
func (g *Graph) scanBack(o *models.Op, dx, ddt, dbc, dy, x, dt, bc []float32, w int) {
	blocks, n := g.scanBlocks(o, w), o.Cols
	rows := len(g.batch.Tokens)
	g.shares = resize(g.shares, len(blocks)*rows*2*n) // [blocks, rows, 2, state] of B and C
	weight, skip := g.student.byName[o.W], g.student.byName[o.B]
	grads := make([]kernels.ScanGrad, len(blocks))
	g.par(len(blocks), func(worker, i int) {
		p, q, s := &blocks[i], &grads[i], g.scratch[worker]
		q.Reset(p, n)
		s.s[1], s.s[2] = resize(s.s[1], p.N*(n+4)), resize(s.s[2], p.N)
		at := func(r int) (x1, dt1, b, c []float32) {
			row := bc[r*2*o.Parts*n:]
			return x[r*w+p.First:][:p.N], dt[r*o.Heads:][:o.Heads], row[p.Group*n:][:n], row[(o.Parts+p.Group)*n:][:n]
		}
		for seq := range g.batch.Seqs() {
			lo, hi := g.batch.Start[seq], g.batch.Start[seq+1]
			size := p.N * n
			s.s[0] = resize(s.s[0], (hi-lo+1)*size)
			states := s.s[0]
			clear(states[:size])
			for r := lo; r < hi; r++ {
				x1, dt1, b, c := at(r)
				after := states[(r-lo+1)*size:][:size]
				copy(after, states[(r-lo)*size:])
				g.level.ScanToken(p, s.s[2], after, x1, dt1, b, c, s.s[1])
			}
			clear(q.S)
			for r := hi - 1; r >= lo; r-- {
				x1, dt1, b, c := at(r)
				share := g.shares[(i*rows+r)*2*n:][:2*n]
				g.level.ScanTokenBack(p, q, dx[r*w+p.First:][:p.N], ddt[r*o.Heads:][:o.Heads], share[:n], share[n:], dy[r*w+p.First:][:p.N],
					states[(r-lo+1)*size:][:size], states[(r-lo)*size:][:size], x1, dt1, b, c, s.s[1])
			}
		}
	})
	for i := range blocks {
		grads[i].AddTo(&blocks[i], weight.G, skip.G)
	}
	g.eachRow(rows, func(r int) {
		for i := range blocks {
			share, d := g.shares[(i*rows+r)*2*n:][:2*n], dbc[r*2*o.Parts*n:]
			g.level.Add(d[blocks[i].Group*n:][:n], share[:n])
			g.level.Add(d[(o.Parts+blocks[i].Group)*n:][:n], share[n:])
		}
	})
}

// softplus: out = softplus(x + bias).
func (g *Graph) softplus(o *models.Op, out, x []float32, w, n int) {
	bias := g.student.byName[o.B].W
	copy(out, x)
	g.eachRowOn(n, w, func(r int, tmp []float32) {
		row := out[r*w : r*w+w]
		g.level.Add(row, bias)
		g.level.Softplus(row, row, tmp)
	})
}

// softplusBack is the gradient of softplus; dy is lost.
func (g *Graph) softplusBack(o *models.Op, dx, dy, x []float32, w, n int) {
	bias := g.student.byName[o.B]
	g.eachRowOn(n, 2*w, func(r int, tmp []float32) {
		z, d := tmp[:w], dy[r*w:r*w+w]
		copy(z, x[r*w:r*w+w])
		g.level.Add(z, bias.W)
		g.level.SoftplusBack(tmp[w:2*w], d, z)
		copy(d, tmp[w:])
		g.level.Add(dx[r*w:r*w+w], d)
	})
	if bias.G != nil {
		for r := range n {
			g.level.Add(bias.G, dy[r*w:r*w+w])
		}
	}
}
