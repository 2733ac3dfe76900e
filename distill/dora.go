package distill

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// Decompose gives each adapter the sizes of its weight's rows, which then learn on their own (DoRA, Liu et al.,
// arXiv:2402.09353):
//
//	V = W + Scale B·A,  y = (M / |V|) x·Vᵀ + b,  |V| the L2 norm of each row
//
// M starts at the norms of W, so that at first nothing changes. As in the paper (section 4.3) and PEFT, |V| is taken for
// a constant in the gradient.
func (s *Student) Decompose(level *kernels.Level) {
	for _, p := range append([]*Param(nil), s.Params...) { // in their order, for checkpoints and sums
		a := s.adapters[p.Name]
		if a == nil {
			continue
		}
		out := p.Shape[1]
		a.M = &Param{Name: p.Name + ".lora_m", Shape: []int{out}, W: make([]float32, out), G: make([]float32, out)}
		rowNorms(level, a.M.W, p.W)
		s.Params = append(s.Params, a.M)
		s.byName[a.M.Name] = a.M
	}
}

// rowNorms writes the L2 norms of w's rows.
func rowNorms(level *kernels.Level, norms, w []float32) {
	width := len(w) / len(norms)
	for o := range norms {
		row := w[o*width : (o+1)*width]
		norms[o] = float32(math.Sqrt(float64(level.Dot(row, row))))
	}
}

// merged writes rows [lo, hi) of W + Scale B·A to v. The rows' order of operations does not depend on how they are cut.
func (a *Adapter) merged(level *kernels.Level, v, w []float32, in, lo, hi int) {
	copy(v, w[lo*in:hi*in])
	b := append([]float32(nil), a.B.W[lo*a.Rank:hi*a.Rank]...)
	level.Scale(b, a.Scale)
	level.GemmF32(v, in, b, a.Rank, 1, a.A.W, in, hi-lo, in, a.Rank, true)
}

// sizes writes M / |V| of every row; a row of zeros stays what it is.
func (a *Adapter) sizes(g *Graph, s, w []float32, in int) {
	out := len(s)
	g.par((out+rowChunk-1)/rowChunk, func(worker, i int) {
		lo, hi := i*rowChunk, min(out, (i+1)*rowChunk)
		sc := g.scratch[worker]
		sc.a = resize(sc.a, (hi-lo)*in)
		a.merged(g.level, sc.a, w, in, lo, hi)
		rowNorms(g.level, s[lo:hi], sc.a)
		a.overNorms(s[lo:hi], lo)
	})
}

// overNorms turns norms of rows from lo on into M / norm.
func (a *Adapter) overNorms(s []float32, lo int) {
	for o, norm := range s {
		if s[o] = 1; norm > 0 {
			s[o] = a.M.W[lo+o] / norm
		}
	}
}

// giveSizes gives the rows of v, V merged, the norms M.
func (a *Adapter) giveSizes(level *kernels.Level, v []float32) {
	out := len(a.M.W)
	width, sizes := len(v)/out, make([]float32, out)
	rowNorms(level, sizes, v)
	a.overNorms(sizes, 0)
	for o, size := range sizes {
		level.Scale(v[o*width:(o+1)*width], size)
	}
}

// decomposed is what one op keeps of its adapter with sizes for the way back.
type decomposed struct {
	v, size []float32 // x·Vᵀ [n, out]; M / |V| [out]
}

// resizeRows multiplies y = x·Vᵀ [n, out] by M / |V| and adds the bias.
func (g *Graph) resizeRows(i int, a *Adapter, y, w, bias []float32, in, n int) {
	out := len(a.M.W)
	d := &g.decomposed[i]
	d.v, d.size = resize(d.v, n*out), resize(d.size, out)
	a.sizes(g, d.size, w, in)
	g.eachRow(n, func(r int) {
		row := y[r*out : (r+1)*out]
		copy(d.v[r*out:], row)
		for o := range row {
			row[o] *= d.size[o]
		}
		if bias != nil {
			g.level.Add(row, bias)
		}
	})
}

// resizeRowsBack adds to the gradient of M, a chain over the tokens, and turns that of y into that of x·Vᵀ.
//
//	dM = sum over tokens of dy * x·Vᵀ / |V|
func (g *Graph) resizeRowsBack(i int, a *Adapter, dy []float32, n int) {
	out := len(a.M.W)
	d := &g.decomposed[i]
	g.par((out+rowChunk-1)/rowChunk, func(_, c int) {
		for o := c * rowChunk; o < min(out, (c+1)*rowChunk); o++ {
			m := a.M.W[o]
			if m == 0 {
				continue // its direction is lost; M / |V| is 0
			}
			norm, sum := m/d.size[o], a.M.G[o]
			for r := range n {
				sum += float32(dy[r*out+o]*d.v[r*out+o]) / norm
			}
			a.M.G[o] = sum
		}
	})
	g.eachRow(n, func(r int) {
		row := dy[r*out : (r+1)*out]
		for o := range row {
			row[o] *= d.size[o]
		}
	})
}
