package distill

import "github.com/freehold-slm/freehold/models"

// Backward walks the program in reverse from the gradients that losses wrote (Grad) and adds to the gradients of the
// weights that learn.
func (g *Graph) Backward() {
	p := g.student.Program
	for i := len(g.ops) - 1; i >= 0; i-- {
		o := &g.ops[i]
		if !g.dirty[o.Out] || !g.learns[o.Out] {
			continue // nothing downstream depends on it, or nothing before it learns
		}
		w, n := p.Width[o.Out], g.height(o.Out)
		dy := g.grad[o.Out]
		switch o.Kind {
		case models.Embed:
			if t := g.student.byName[o.W]; !t.Frozen() {
				for r, id := range g.batch.Tokens {
					g.level.Add(t.G[int(id)*w:int(id)*w+w], dy[r*w:r*w+w])
				}
			}
		case models.Position:
			if t := g.student.byName[o.W]; !t.Frozen() {
				g.eachPosition(func(r, pos int) { g.level.Add(t.G[pos*w:pos*w+w], dy[r*w:r*w+w]) })
			}
		case models.MatMul:
			in := p.Width[o.In[0]]
			if dw := g.rowsOf(o, g.student.byName[o.W].G); dw != nil {
				g.matmulBackW(dw, in, dy, w, g.val[o.In[0]], n)
			}
			if db := g.rowsOf(o, g.student.biasOf(o).G); db != nil {
				for r := 0; r < n; r++ {
					g.level.Add(db, dy[r*w:r*w+w])
				}
			}
			adapter := g.student.adapters[o.W]
			if !g.learns[o.In[0]] {
				if adapter != nil {
					g.adaptedBack(i, adapter, nil, dy, w, g.val[o.In[0]], in, n)
				}
				continue
			}
			acc := g.dirty[o.In[0]]
			g.grad[o.In[0]] = resize(g.grad[o.In[0]], n*in)
			g.dirty[o.In[0]] = true
			g.matmulBackX(g.grad[o.In[0]], in, dy, w, g.rowsOf(o, g.student.byName[o.W].W), n, acc)
			if adapter != nil {
				g.adaptedBack(i, adapter, g.grad[o.In[0]], dy, w, g.val[o.In[0]], in, n)
			}
		case models.StackMatMul:
			var dx []float32
			if g.learns[o.In[0]] {
				dx = g.Grad(o.In[0])
			}
			g.stackBack(o, dx, dy, g.val[o.In[0]], n)
		case models.Route:
			g.routeBack(o, g.Grad(o.In[0]), dy, g.val[o.In[0]], g.val[o.Out], n)
		case models.Mix:
			g.mixBack(o, g.Grad(o.In[0]), g.Grad(o.In[1]), dy, g.val[o.In[0]], g.val[o.In[1]], w, n)
		case models.Gate:
			g.gateBack(g.Grad(o.In[0]), g.Grad(o.In[1]), dy, g.val[o.In[0]], g.val[o.In[1]], w, n)
		case models.ClampedSwiGLU:
			gate, up := g.val[o.In[0]], g.val[o.In[1]]
			dg, du := g.Grad(o.In[0]), g.Grad(o.In[1])
			g.eachRowOn(n, 2*w, func(r int, tmp []float32) {
				s := r * w
				g.level.ClampedSwiGLUBack(dg[s:s+w], du[s:s+w], dy[s:s+w], gate[s:s+w], up[s:s+w], tmp)
			})
		case models.RMSNorm, models.LayerNorm:
			g.normBack(o, g.Grad(o.In[0]), dy, g.val[o.In[0]])
		case models.Rotate:
			dx := g.Grad(o.In[0])
			g.rotate(dy, w, o, true)
			g.eachRow(n, func(r int) { g.level.Add(dx[r*w:r*w+w], dy[r*w:r*w+w]) })
		case models.Attend:
			g.attendBack(&g.att[i], o, g.Grad(o.In[0]), g.Grad(o.In[1]), g.Grad(o.In[2]), dy, g.val[o.Out], g.val[o.In[0]], g.val[o.In[1]], g.val[o.In[2]])
		case models.SwiGLU:
			// gate and up feed only this op, so their gradients are written, not added.
			gate, up := g.val[o.In[0]], g.val[o.In[1]]
			dg, du := g.Grad(o.In[0]), g.Grad(o.In[1])
			g.eachRow(n, func(r int) {
				s := r * w
				g.level.SwiGLUBack(dg[s:s+w], du[s:s+w], dy[s:s+w], gate[s:s+w], up[s:s+w])
			})
		case models.GeGLU:
			gate, up := g.val[o.In[0]], g.val[o.In[1]]
			dg, du := g.Grad(o.In[0]), g.Grad(o.In[1])
			g.eachRow(n, func(r int) {
				s := r * w
				g.level.GeGLUBack(dg[s:s+w], du[s:s+w], dy[s:s+w], gate[s:s+w], up[s:s+w])
			})
		case models.GELU:
			x, dx := g.val[o.In[0]], g.Grad(o.In[0])
			g.eachRow(n, func(r int) { g.level.GELUBack(dx[r*w:r*w+w], dy[r*w:r*w+w], x[r*w:r*w+w]) })
		case models.ReLU2:
			x, dx := g.val[o.In[0]], g.Grad(o.In[0])
			g.eachRow(n, func(r int) { g.level.ReLU2Back(dx[r*w:r*w+w], dy[r*w:r*w+w], x[r*w:r*w+w]) })
		case models.Clamp:
			x, dx := g.val[o.In[0]], g.Grad(o.In[0]) // feeds only this op: written, not added
			g.eachRow(n, func(r int) { g.level.ClampBack(dx[r*w:r*w+w], dy[r*w:r*w+w], x[r*w:r*w+w], o.Factor) })
		case models.Scale:
			dx := g.Grad(o.In[0])
			g.eachRow(n, func(r int) { g.level.Axpy(dx[r*w:r*w+w], o.Factor, dy[r*w:r*w+w]) })
		case models.Add:
			for _, in := range o.In {
				dx := g.Grad(in)
				g.eachRow(n, func(r int) { g.level.Add(dx[r*w:r*w+w], dy[r*w:r*w+w]) })
			}
		case models.Select:
			dx := g.Grad(o.In[0])
			for j, r := range g.want() {
				g.level.Add(dx[r*w:r*w+w], dy[j*w:j*w+w])
			}
		case models.Pool:
			g.poolBack(g.Grad(o.In[0]), dy, w)
		default:
			panic("distill: op " + o.Kind.String() + " of the program is not known")
		}
	}
}

// normBack is the gradient of a norm, of each part of a row that is normed alone. Those of the weights sum over tokens:
// one order, one worker.
func (g *Graph) normBack(o *models.Op, dx, dy, x []float32) {
	weight, bias := g.student.weightOf(o), g.student.biasOf(o)
	width, eps, s := g.student.Program.Width[o.Out], g.student.Spec.NormEps, g.scratch[0]
	part := width / max(1, o.Heads)
	stride := part
	if o.Cols > 0 {
		part, stride = o.Cols, width
	}
	s.s[7] = resize(s.s[7], 4*part)
	none, db, tmp := s.s[7][:part], bias.G, s.s[7][2*part:]
	if db == nil {
		db = s.s[7][part : 2*part]
	}
	for at := 0; at < len(dy); at += stride {
		to := at + part
		w, dw := weight.W, weight.G
		if o.Each {
			w = w[at%width:][:part]
			if dw != nil {
				dw = dw[at%width:][:part]
			}
		}
		if dw == nil {
			dw = none
		}
		g.level.Add(dx[to:at+stride], dy[to:at+stride])
		if o.Kind == models.LayerNorm {
			g.level.LayerNormBack(dx[at:to], dw, db, dy[at:to], x[at:to], w, eps, tmp)
		} else {
			g.level.RMSNormBack(dx[at:to], dw, dy[at:to], x[at:to], w, eps)
		}
	}
}

func (g *Graph) poolBack(dx, dy []float32, w int) {
	for s := 0; s < g.batch.Seqs(); s++ {
		lo, hi := g.batch.Start[s], g.batch.Start[s+1]
		d := dy[s*w : s*w+w]
		if g.student.Spec.Pooling == models.PoolLast {
			g.level.Add(dx[(hi-1)*w:hi*w], d)
			continue
		}
		for r := lo; r < hi; r++ {
			g.level.Axpy(dx[r*w:r*w+w], 1/float32(hi-lo), d)
		}
	}
}
