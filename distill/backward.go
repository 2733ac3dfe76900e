package distill

import "github.com/freehold-slm/freehold/models"

// Backward walks the program in reverse from the gradients that losses wrote (Grad) and adds to the gradients of the
// weights that learn.
func (g *Graph) Backward() {
	var current *layerOps // computed again
	for i := len(g.ops) - 1; i >= 0; i-- {
		o := &g.ops[i]
		if current != nil && i < current.lo {
			g.drop(current)
			current = nil
		}
		if l := g.again[i]; l != nil && g.dirty[o.Out] && g.learns[o.Out] {
			g.restore(l, i)
			current = l
		}
		g.back(i)
	}
}

// back takes the gradient of op i's value to its inputs and its weights, and gives its memory up.
func (g *Graph) back(i int) {
	p, o := g.student.Program, &g.ops[i]
	if !g.dirty[o.Out] || !g.learns[o.Out] {
		return // nothing downstream depends on it, or nothing before it learns
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
		if adapter != nil && adapter.M != nil {
			g.resizeRowsBack(i, adapter, dy, n)
		}
		var dx []float32
		acc := g.dirty[o.In[0]]
		if g.learns[o.In[0]] {
			dx = g.renew(g.grad[o.In[0]], n*in)
			g.grad[o.In[0]], g.dirty[o.In[0]] = dx, true
		}
		switch weight := g.rowsOf(o, g.student.byName[o.W].W); {
		case adapter != nil:
			g.adaptedBack(i, adapter, dx, in, dy, w, weight, g.val[o.In[0]], n, acc)
		case dx != nil:
			g.matmulBackX(dx, in, dy, w, weight, n, acc)
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
		g.rotate(dy, w, o, true)
		g.pass(o.In[0], dy)
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
	case models.Mul:
		for k, in := range o.In {
			dx, other := g.Grad(in), g.val[o.In[1-k]]
			g.eachRow(n, func(r int) { g.level.MulAdd(dx[r*w:r*w+w], dy[r*w:r*w+w], other[r*w:r*w+w]) })
		}
	case models.SiLU:
		x, dx := g.val[o.In[0]], g.Grad(o.In[0])
		g.eachRow(n, func(r int) { g.level.SiLUBack(dx[r*w:r*w+w], dy[r*w:r*w+w], x[r*w:r*w+w]) })
	case models.Softplus:
		g.softplusBack(o, g.Grad(o.In[0]), dy, g.val[o.In[0]], w, n)
	case models.Conv:
		g.convBack(o, g.Grad(o.In[0]), dy, g.val[o.In[0]], w)
	case models.Scan:
		g.scanBack(o, g.Grad(o.In[0]), g.Grad(o.In[1]), g.Grad(o.In[2]), dy, g.val[o.In[0]], g.val[o.In[1]], g.val[o.In[2]], w)
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
			g.pass(in, dy)
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
	if d := g.grad[o.Out]; d != nil {
		g.grad[o.Out] = nil
		g.release(d)
	}
}

// pass adds d to the gradient of v.
func (g *Graph) pass(v models.Value, d []float32) {
	dx := g.grad[v]
	if !g.dirty[v] {
		dx = g.renew(dx, len(d))
		g.grad[v], g.dirty[v] = dx, true
		g.copy(dx, d)
		return
	}
	g.par((len(d)+spanChunk-1)/spanChunk, func(_, i int) {
		lo, hi := i*spanChunk, min(len(d), (i+1)*spanChunk)
		g.level.Add(dx[lo:hi], d[lo:hi])
	})
}

// normBack is the gradient of a norm, of each part of a row that is normed alone. Those of the weights sum over tokens:
// every part's share first, then a worker adds the shares of some columns in the order of the tokens.
func (g *Graph) normBack(o *models.Op, dx, dy, x []float32) {
	weight, bias := g.student.weightOf(o), g.student.biasOf(o)
	width, eps := g.student.Program.Width[o.Out], g.student.Spec.NormEps
	part := width / max(1, o.Heads)
	unit, stride := part, part // of values that a share of the weights is from
	switch {
	case o.Cols > 0:
		part, unit, stride = o.Cols, o.Cols, width
	case o.Each:
		unit, stride = width, width
	}
	units := len(dy) / stride
	g.shares = resize(g.shares, normParts*(unit+part))
	for first := 0; first < units; first += normParts {
		n := min(normParts, units-first)
		dw, db := g.shares[:n*unit], g.shares[normParts*unit:][:n*part]
		g.eachRowOn(n, 2*part, func(i int, tmp []float32) {
			at := (first + i) * stride
			dwi, dbi := dw[i*unit:(i+1)*unit], db[i*part:(i+1)*part]
			clear(dwi)
			clear(dbi)
			g.level.Add(dx[at+unit:at+stride], dy[at+unit:at+stride])
			for p := 0; p < unit; p += part {
				w, dx, dy, x, dw := weight.W, dx[at+p:][:part], dy[at+p:][:part], x[at+p:][:part], dwi[p:p+part]
				if o.Each {
					w = w[p : p+part]
				}
				if o.Kind == models.LayerNorm {
					g.level.LayerNormBack(dx, dw, dbi, dy, x, w, eps, tmp)
				} else {
					g.level.RMSNormBack(dx, dw, dy, x, w, eps)
				}
			}
		})
		g.addShares(weight.G, dw, n)
		g.addShares(bias.G, db, n)
	}
}

// normParts is how many parts' shares are kept at a time.
const normParts = 1024

// addShares adds n rows of shares to sum, in order.
func (g *Graph) addShares(sum, shares []float32, n int) {
	const cols = 64
	w := len(sum) // 0 = it does not learn
	g.par((w+cols-1)/cols, func(_, c int) {
		lo, hi := c*cols, min(w, (c+1)*cols)
		for i := range n {
			g.level.Add(sum[lo:hi], shares[i*w+lo:i*w+hi])
		}
	})
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
