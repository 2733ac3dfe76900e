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
		case models.MatMul:
			in := p.Width[o.In[0]]
			if t := g.student.byName[o.W]; !t.Frozen() {
				g.matmulBackW(t.G, in, dy, w, g.val[o.In[0]], n)
			}
			if o.B != "" {
				if t := g.student.byName[o.B]; !t.Frozen() {
					for r := 0; r < n; r++ {
						g.level.Add(t.G, dy[r*w:r*w+w])
					}
				}
			}
			if !g.learns[o.In[0]] {
				continue
			}
			acc := g.dirty[o.In[0]]
			g.grad[o.In[0]] = resize(g.grad[o.In[0]], n*in)
			g.dirty[o.In[0]] = true
			g.matmulBackX(g.grad[o.In[0]], in, dy, w, g.student.byName[o.W].W, n, acc)
		case models.RMSNorm:
			t := g.student.byName[o.W]
			dx, x := g.Grad(o.In[0]), g.val[o.In[0]]
			dw := t.G
			if t.Frozen() {
				g.ensureDiscard(w)
				dw = g.scratch[0].s[7][:w]
			}
			for r := 0; r < n; r++ { // dw sums over tokens: one order, one worker
				g.level.RMSNormBack(dx[r*w:r*w+w], dw, dy[r*w:r*w+w], x[r*w:r*w+w], t.W, g.student.Spec.NormEps)
			}
		case models.Rotate:
			dx := g.Grad(o.In[0])
			g.rotate(dy, w, o.Heads, true)
			g.eachRow(n, func(r int) { g.level.Add(dx[r*w:r*w+w], dy[r*w:r*w+w]) })
		case models.Attend:
			g.attendBack(&g.att[i], g.Grad(o.In[0]), g.Grad(o.In[1]), g.Grad(o.In[2]), dy, g.val[o.Out], g.val[o.In[0]], g.val[o.In[1]], g.val[o.In[2]])
		case models.SwiGLU:
			// gate and up feed only this op, so their gradients are written, not added.
			gate, up := g.val[o.In[0]], g.val[o.In[1]]
			dg, du := g.Grad(o.In[0]), g.Grad(o.In[1])
			g.eachRow(n, func(r int) {
				s := r * w
				g.level.SwiGLUBack(dg[s:s+w], du[s:s+w], dy[s:s+w], gate[s:s+w], up[s:s+w])
			})
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
		}
	}
}

func (g *Graph) ensureDiscard(n int) { g.scratch[0].s[7] = resize(g.scratch[0].s[7], n) }

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
