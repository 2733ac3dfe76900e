package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// The head in two sweeps over the vocabulary (after cut cross-entropy, Wijmans et al., arXiv:2411.09009). In bf16 a product
// is so much faster than memory that logits are computed twice rather than kept: first for the sums of each row, then for
// the gradient, in tiles of some rows by some columns that stay in a worker's caches. What leaves them is the gradient of
// a stripe of the vocabulary, in bf16, for the product that gives the weight's.
//
//	tile z = x·Wᵀ -> sums          all stripes, then the losses
//	tile z = x·Wᵀ -> dz -> dx += dz·W;  stripe dWᵀ += xᵀ·dz
//
// Every chain runs in the order of the products of matmul.go, whatever the number of workers.
const (
	sweepCols   = 512     // of a tile, whole panels
	sweepValues = 4 << 20 // of the weight in a stripe
	sweepLogits = 8 << 20 // gradients in a stripe
	turnedCols  = 128     // of the weight's gradient that lie the other way round at a time
	turnedSteps = 512     // tokens of the hidden states that they read at a time
)

// sweep is the memory of Head.sweep.
type sweep struct {
	in, out, n int // width of the hidden states, of the vocabulary; rows
	k, kn      int // in, n as steps of a chain

	x, xt   []uint16 // hidden states [n, ldx], [in, ldn]
	ldx     int
	ldn     int
	dz      []uint16 // gradient of a stripe in panels [kn/2, BF16Cols, 2]
	w       []uint16 // a stripe of W in panels [cols/2, BF16Cols, 2] of in
	stripe  int      // columns; 0 = as many as the constants allow
	rows    []rowSums
	targets []Target
	workers []sweepScratch
}

type sweepScratch struct {
	z, capped, tmp, dw []float32
	a, pairs           []uint16
	zero               scratch
}

// padded is the row stride of an operand of k steps: an odd multiple of 64 bytes spreads rows over a cache's sets.
func padded(k int) int {
	if k/kernels.BF16Step%2 == 1 {
		return k
	}
	return k + kernels.BF16Step
}

func wholeSteps(k int) int { return (k + kernels.BF16Step - 1) / kernels.BF16Step * kernels.BF16Step }

// sweepLoss is Loss in bf16 for a loss by parts and a head without bias.
func (h *Head) sweepLoss(loss partLoss, targets func(r int) Target, grad bool) float64 {
	g, s := h.g, &h.sweep
	w := g.student.byName[h.op.W]
	x := g.val[h.op.In[0]]
	s.in, s.out, s.n = g.student.Program.Width[h.op.In[0]], g.student.Program.Width[h.out], g.height(h.op.In[0])
	s.begin(g, x, grad && !w.Frozen())
	for r := range s.n {
		t := targets(r)
		if int(t.Label) >= s.out {
			panic(fmt.Sprintf("distill: label %d of %d logits", t.Label, s.out))
		}
		s.targets[r] = t
		s.rows[r].reset()
	}
	rows := g.blockRows(s.n, &blockingBF16)
	stripe := s.stripe
	if stripe == 0 {
		stripe = max(1, min(sweepValues/s.k, sweepLogits/s.kn)/sweepCols) * sweepCols
	}
	tiles := func(j, cols int, fn func(sc *sweepScratch, r, m, at, cols int)) { // at: within the stripe
		g.packed16 = resize16(g.packed16, (cols+kernels.BF16Cols-1)/kernels.BF16Cols*kernels.BF16Cols*s.k)
		g.packBF16(g.packed16, w.W[j*s.in:], operand{w.W, 1, s.in}, s.in, s.k, s.k, cols)
		g.par((s.n+rows-1)/rows, func(worker, i int) {
			sc, r := &s.workers[worker], i*rows
			for at := 0; at < cols; at += sweepCols {
				m, c := min(rows, s.n-r), min(sweepCols, cols-at)
				h.tile(sc, r, m, at, c)
				fn(sc, r, m, at, c)
			}
		})
	}
	for j := 0; j < s.out; j += stripe {
		tiles(j, min(stripe, s.out-j), func(sc *sweepScratch, r, m, at, cols int) {
			for i := range m {
				if t := &s.targets[r+i]; t.Weight != 0 {
					loss.sum(g.level, &s.rows[r+i], sc.z[i*sweepCols:][:cols], j+at, t, sc.tmp)
				}
			}
		})
	}
	h.loss = resize64(h.loss, s.n)
	g.eachRow(s.n, func(r int) {
		if t := &s.targets[r]; t.Weight != 0 {
			h.loss[r] = float64(t.Weight) * loss.end(g.level, &s.rows[r], t, t.Weight)
		} else {
			h.loss[r] = 0
		}
	})
	total := 0.0
	for _, v := range h.loss {
		total += v
	}
	if !grad {
		return total
	}
	dx := g.Grad(h.op.In[0])
	for j := 0; j < s.out; j += stripe {
		cols := min(stripe, s.out-j)
		kc := wholeSteps(cols)
		s.w = resize16(s.w, (s.in+kernels.BF16Cols-1)/kernels.BF16Cols*kernels.BF16Cols*kc)
		g.packBF16(s.w, w.W[j*s.in:], operand{w.W, s.in, 1}, cols, kc, kc, s.in)
		s.dz = resize16(s.dz, (cols+kernels.BF16Cols-1)/kernels.BF16Cols*kernels.BF16Cols*s.kn)
		tiles(j, cols, func(sc *sweepScratch, r, m, at, cols int) {
			h.tileBack(loss, sc, r, m, j+at, cols)
			h.tileProducts(sc, dx, r, m, j, at, cols, kc, !w.Frozen())
		})
		if !w.Frozen() {
			h.weightBack(w.G[j*s.in:], cols)
		}
	}
	return total
}

// begin makes room and rounds the hidden states.
func (s *sweep) begin(g *Graph, x []float32, learns bool) {
	s.k, s.kn = wholeSteps(s.in), wholeSteps(s.n)
	s.ldx, s.ldn = padded(s.k), padded(s.kn)
	for len(s.rows) < s.n {
		s.rows = append(s.rows, rowSums{})
	}
	s.rows, s.targets = s.rows[:s.n], append(s.targets[:0], make([]Target, s.n)...)
	s.x = resize16(s.x, (s.n+15)&^15*s.ldx)
	g.eachRow(s.n, func(r int) {
		row := s.x[r*s.ldx : r*s.ldx+s.k]
		g.level.BF16Row(row, x[r*s.in:r*s.in+s.in])
		clear(row[s.in:])
	})
	if learns { // strips of tokens in pairs, turned
		s.xt = resize16(s.xt, (s.in+15)&^15*s.ldn)
		g.par(s.kn/kernels.BF16Step, func(worker, i int) {
			sc, t0 := g.scratch[worker], i*kernels.BF16Step
			sc.t16 = resize16(sc.t16, kernels.BF16Step*s.in)
			for t := 0; t < kernels.BF16Step; t += 2 {
				g.pairBF16(sc, sc.t16[t*s.in:], x, s.in, s.in, t0+t, s.n)
			}
			g.level.Transpose(asFloats(s.xt)[t0/2:], s.ldn/2, asFloats(sc.t16), s.in, kernels.BF16Step/2, s.in)
		})
	}
	for len(s.workers) < len(g.scratch) {
		s.workers = append(s.workers, sweepScratch{z: make([]float32, blockingBF16.rows*sweepCols), tmp: make([]float32, 3*sweepCols),
			a: make([]uint16, blockingBF16.rows*padded(sweepCols)), pairs: make([]uint16, 2*sweepCols)})
	}
}

// tile computes rows [r, r+m) of the logits at some columns of the stripe that is packed.
func (h *Head) tile(sc *sweepScratch, r, m, at, cols int) {
	const width = kernels.BF16Cols
	g, s := h.g, &h.sweep
	for l := 0; l < cols; l += width {
		g.level.GemmBF16(sc.z[l:], sweepCols, s.x[r*s.ldx:], s.ldx, g.packed16[(at+l)*s.k:], m, min(width, cols-l), s.k, false)
	}
	for _, o := range h.after {
		for i := range m {
			if row := sc.z[i*sweepCols:][:cols]; o.Kind == models.SoftCap {
				g.level.SoftCap(row, o.Factor)
			} else {
				g.level.Scale(row, o.Factor)
			}
		}
		if o.Kind == models.SoftCap {
			sc.capped = append(sc.capped[:0], sc.z[:m*sweepCols]...)
		}
	}
}

// tileBack turns a tile of logits from column at on into their gradients before what follows the product.
func (h *Head) tileBack(loss partLoss, sc *sweepScratch, r, m, at, cols int) {
	g, s := h.g, &h.sweep
	for i := range m {
		row, t := sc.z[i*sweepCols:][:cols], &s.targets[r+i]
		if t.Weight == 0 {
			clear(row)
			continue
		}
		loss.grad(g.level, &s.rows[r+i], row, at, t, sc.tmp)
		for k := len(h.after) - 1; k >= 0; k-- {
			if o := &h.after[k]; o.Kind == models.SoftCap {
				g.level.SoftCapBack(row, sc.capped[i*sweepCols:][:cols], o.Factor)
			} else {
				g.level.Scale(row, o.Factor)
			}
		}
	}
}

// tileProducts continues dx by a tile of gradients and, where the weight learns, leaves them for weightBack. The tile is at
// column at of the stripe that begins at column j.
func (h *Head) tileProducts(sc *sweepScratch, dx []float32, r, m, j, at, cols, kc int, learns bool) {
	const width = kernels.BF16Cols
	g, s := h.g, &h.sweep
	k := wholeSteps(cols)
	ld := padded(k)
	for i := range m {
		row := sc.a[i*ld : i*ld+k]
		g.level.BF16Row(row, sc.z[i*sweepCols:][:cols])
		clear(row[cols:])
	}
	for l := 0; l < s.in; l += width {
		g.level.GemmBF16(dx[r*s.in+l:], s.in, sc.a, ld, s.w[l*kc+at*width:], m, min(width, s.in-l), k, true)
	}
	if !learns {
		return
	}
	steps := m
	if r+m == s.n {
		steps = s.kn - r
	}
	last := (cols + width - 1) / width * width
	clear(sc.pairs[2*cols : 2*last])
	for t := 0; t < steps; t += 2 {
		g.pairBF16(&sc.zero, sc.pairs, sc.z, sweepCols, cols, t, m)
		for l := 0; l < last; l += width {
			copy(s.dz[(at+l)*s.kn+(r+t)*width:][:2*width], sc.pairs[2*l:])
		}
	}
}

// weightBack continues the gradient dw [cols, in] of a stripe of the weight.
func (h *Head) weightBack(dw []float32, cols int) {
	const width = kernels.BF16Cols
	g, s := h.g, &h.sweep
	g.par((cols+turnedCols-1)/turnedCols, func(worker, i int) {
		sc, at := &s.workers[worker], i*turnedCols
		n := min(turnedCols, cols-at)
		sc.dw = resize(sc.dw, s.in*turnedCols)
		own := dw[at*s.in : (at+n)*s.in]
		g.level.Transpose(sc.dw, turnedCols, own, s.in, n, s.in)
		for t := 0; t < s.kn; t += turnedSteps {
			for l := 0; l < n; l += width {
				g.level.GemmBF16(sc.dw[l:], turnedCols, s.xt[t:], s.ldn, s.dz[(at+l)*s.kn+t*width:], s.in, min(width, n-l), min(turnedSteps, s.kn-t), true)
			}
		}
		g.level.Transpose(own, s.in, sc.dw, turnedCols, s.in, n)
	})
}
