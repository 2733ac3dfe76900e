package distill

import "github.com/freehold-slm/freehold/models"

// Products by stacks of matrices (models.StackMatMul): a matrix's pairs are gathered, multiplied as the rows of a linear
// layer, and put back. Matrices come in rising order and the rows of each in rising order, whatever the workers, so the
// gradient of what several matrices read is one chain over the matrices.

// stacked says where a pair's part lies in the rows of an op's input and output.
type stacked struct {
	o                 *models.Op
	inWidth, inStride int // inStride 0 = the parts are the whole row
	outWidth, outPart int
	rows              int       // of a matrix
	rowsAt, partsAt   [][]int   // [matrices] rows and parts of the pairs
	x, y              []float32 // gathered
}

// stack lists the pairs of each matrix of op o.
func (g *Graph) stack(o *models.Op, n int) *stacked {
	p := g.student.Program
	s := &g.stacks
	s.o, s.inWidth, s.outWidth = o, p.Width[o.In[0]], p.Width[o.Out]
	s.inStride, s.outPart = s.inWidth/o.Parts, s.outWidth/o.Parts
	if o.Shared {
		s.inStride = 0
	}
	s.rows = s.outPart - o.Tail
	for len(s.rowsAt) < o.Stack {
		s.rowsAt, s.partsAt = append(s.rowsAt, nil), append(s.partsAt, nil)
	}
	for e := range o.Stack {
		s.rowsAt[e], s.partsAt[e] = s.rowsAt[e][:0], s.partsAt[e][:0]
	}
	for r := range n {
		for part := range o.Parts {
			e := part
			if len(o.In) > 1 {
				e = int(g.val[o.In[1]][r*2*o.Parts+part])
			}
			s.rowsAt[e], s.partsAt[e] = append(s.rowsAt[e], r), append(s.partsAt[e], part)
		}
	}
	return s
}

// eachPair calls fn for the pairs of matrix e with where their parts begin in input and output.
func (g *Graph) eachPair(s *stacked, e int, fn func(i, in, out int)) {
	g.eachRow(len(s.rowsAt[e]), func(i int) {
		r, part := s.rowsAt[e][i], s.partsAt[e][i]
		fn(i, r*s.inWidth+part*s.inStride, r*s.outWidth+part*s.outPart)
	})
}

// gatherIn and gatherOut copy the pairs of matrix e side by side.
func (g *Graph) gatherIn(s *stacked, e int, x []float32) []float32 {
	s.x = resize(s.x, len(s.rowsAt[e])*s.o.Cols)
	g.eachPair(s, e, func(i, in, _ int) { copy(s.x[i*s.o.Cols:(i+1)*s.o.Cols], x[in:]) })
	return s.x
}

func (g *Graph) gatherOut(s *stacked, e int, y []float32) []float32 {
	s.y = resize(s.y, len(s.rowsAt[e])*s.rows)
	g.eachPair(s, e, func(i, _, out int) { copy(s.y[i*s.rows:(i+1)*s.rows], y[out:]) })
	return s.y
}

// matrixOf cuts matrix e from a stack [Stack, size/Stack], or its gradient; nil stays nil.
func matrixOf(o *models.Op, x []float32, e int) []float32 {
	n := len(x) / o.Stack
	if x == nil {
		return nil
	}
	return x[e*n : (e+1)*n]
}

// stackMatMul computes out of n rows.
func (g *Graph) stackMatMul(o *models.Op, out, x []float32, n int) {
	s := g.stack(o, n)
	w, bias := g.student.byName[o.W].W, g.student.biasOf(o).W
	for e := range o.Stack {
		m := len(s.rowsAt[e])
		if m == 0 {
			continue
		}
		in := g.gatherIn(s, e, x)
		s.y = resize(s.y, m*s.rows)
		g.matmul(s.y, s.rows, in, o.Cols, matrixOf(o, w, e), matrixOf(o, bias, e), m)
		g.eachPair(s, e, func(i, from, to int) {
			copy(out[to:to+s.rows], s.y[i*s.rows:])
			copy(out[to+s.rows:to+s.outPart], x[from+o.Cols:])
		})
	}
}

// stackBack adds to the gradients of a stack, and to dx (nil = nothing before learns) that of its input x.
func (g *Graph) stackBack(o *models.Op, dx, dy, x []float32, n int) {
	s := g.stack(o, n)
	weight, bias := g.student.byName[o.W], g.student.biasOf(o)
	for e := range o.Stack {
		m := len(s.rowsAt[e])
		if m == 0 {
			continue
		}
		d := g.gatherOut(s, e, dy)
		if dw := matrixOf(o, weight.G, e); dw != nil {
			g.matmulBackW(dw, o.Cols, d, s.rows, g.gatherIn(s, e, x), m)
		}
		if db := matrixOf(o, bias.G, e); db != nil {
			for i := range m {
				g.level.Add(db, d[i*s.rows:(i+1)*s.rows])
			}
		}
		if dx == nil {
			continue
		}
		din := g.gatherIn(s, e, dx) // a row has a matrix once, so its chain goes on from here
		g.matmulBackX(din, o.Cols, d, s.rows, matrixOf(o, weight.W, e), m, true)
		g.eachPair(s, e, func(i, in, out int) {
			copy(dx[in:in+o.Cols], din[i*o.Cols:])
			if o.Tail > 0 {
				g.level.Add(dx[in+o.Cols:in+o.Cols+o.Tail], dy[out+s.rows:out+s.outPart])
			}
		})
	}
}

// mix: out = chain over the parts, which are in rising order of their experts, of fma(weight, part).
func (g *Graph) mix(o *models.Op, out, parts, route []float32, w, n int) {
	g.eachRow(n, func(r int) {
		sum := out[r*w : r*w+w]
		clear(sum)
		for k := range o.Parts {
			at := (r*o.Parts + k) * w
			g.level.Axpy(sum, route[(2*r+1)*o.Parts+k], parts[at:at+w])
		}
	})
}

func (g *Graph) mixBack(o *models.Op, dparts, droute, dy, parts, route []float32, w, n int) {
	g.eachRow(n, func(r int) {
		d := dy[r*w : r*w+w]
		for k := range o.Parts {
			at, wt := (r*o.Parts+k)*w, (2*r+1)*o.Parts+k
			g.level.Axpy(dparts[at:at+w], route[wt], d)
			droute[wt] += g.level.Dot(d, parts[at:at+w])
		}
	})
}

// route and routeBack run Level.Route on every row of n.
func (g *Graph) route(o *models.Op, out, logits []float32, n int) {
	w, e := 2*o.Parts, len(logits)/n
	bias := g.student.biasOf(o).W
	g.eachRowOn(n, 2*e, func(r int, tmp []float32) {
		g.level.Route(out[r*w:r*w+w], logits[r*e:r*e+e], bias, o.Router, tmp)
	})
}

func (g *Graph) routeBack(o *models.Op, dx, dy, x, out []float32, n int) {
	w, e := 2*o.Parts, len(x)/n
	g.eachRowOn(n, e+o.Parts, func(r int, tmp []float32) {
		g.level.RouteBack(dx[r*e:r*e+e], dy[r*w+o.Parts:r*w+w], x[r*e:r*e+e], out[r*w:r*w+w], o.Router, tmp)
	})
}

// gate: out = x * sigmoid(by), by [n].
func (g *Graph) gate(out, x, by []float32, w, n int) {
	s := make([]float32, n)
	g.level.Sigmoid(s, by)
	copy(out, x)
	g.eachRow(n, func(r int) { g.level.Scale(out[r*w:r*w+w], s[r]) })
}

func (g *Graph) gateBack(dx, dby, dy, x, by []float32, w, n int) {
	s := make([]float32, n)
	g.level.Sigmoid(s, by)
	g.eachRow(n, func(r int) {
		d := dy[r*w : r*w+w]
		g.level.Axpy(dx[r*w:r*w+w], s[r], d)
		dby[r] += float32(g.level.Dot(d, x[r*w:r*w+w]) * float32(s[r]*(1-s[r])))
	})
}

// eachRowOn is eachRow with scratch of size values.
func (g *Graph) eachRowOn(n, size int, fn func(r int, tmp []float32)) {
	g.par((n+rowChunk-1)/rowChunk, func(worker, c int) {
		s := g.scratch[worker]
		s.s[7] = resize(s.s[7], size)
		for r := c * rowChunk; r < min(n, (c+1)*rowChunk); r++ {
			fn(r, s.s[7])
		}
	})
}
