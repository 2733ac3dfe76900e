// Package distill answers how a model learns: it runs a Spec's program in f32, forward and in reverse, with losses,
// an optimiser, checkpoints, and the pipeline around them (recipe, labels, data, eval, gate, manifest, report).
package distill

import (
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// Parallel runs fn(i) for 0 <= i < n on some workers and returns when all are done. Training splits only outputs over
// it, never sums over tokens, so results do not depend on the number of workers.
type Parallel func(n int, fn func(worker, i int))

// Graph runs a student's program over a Batch and keeps every value, for Backward. It stops before the output head,
// whose logits exist only in chunks (see head.go).
type Graph struct {
	student  *Student
	level    *kernels.Level
	par      Parallel
	ops      []models.Op // the program without the output head
	rows     []bool      // [values] true: one row a wanted row, false: one a token
	pooled   []bool      // [values] one row a sequence
	val      [][]float32 // [values] [rows, width]
	grad     [][]float32 // [values] same shapes; nil until first written
	dirty    []bool      // [values] grad holds something
	learns   []bool      // [values] something that learns lies at or before it
	batch    *Batch
	att      []attState // [ops]
	ropes    map[*models.Rope]*ropeTable
	scratch  []*scratch // [workers]
	ones     []int      // all rows, for Want == nil
	bf16     bool       // products in bf16
	packed   []float32  // product: panels of B
	packed16 []uint16
	stacks   stacked     // of the op that runs
	low      [][]float32 // [ops] adapters: Scale x·Aᵀ
	dlow     []float32
	down16   []uint16    // of an adapter, in panels
	thin     []float32   // gradient of an adapter's B, [rank, out]
	taps     []float32   // of the convolution that runs
	shares   []float32   // of the norm or the scan that runs in reverse
	free     [][]float32 // memory of values and gradients that nothing needs any more
	again    []*layerOps // [ops] the layer whose last op it is, nil = none

	decomposed []decomposed // [ops]
}

// NewGraph prepares to run s on level with up to workers workers.
func NewGraph(s *Student, level *kernels.Level, workers int, par Parallel) *Graph {
	p := s.Program
	g := &Graph{student: s, level: level, par: par,
		rows: make([]bool, len(p.Width)), pooled: make([]bool, len(p.Width)),
		val: make([][]float32, len(p.Width)), grad: make([][]float32, len(p.Width)), dirty: make([]bool, len(p.Width)),
		learns: make([]bool, len(p.Width)),
	}
	for _, o := range p.Ops {
		if p.InHead(o.Out) {
			continue
		}
		g.ops = append(g.ops, o)
		if o.Kind == models.Select {
			g.rows[o.Out] = true
		}
		for _, name := range []string{o.W, o.B} {
			w := s.byName[name]
			g.learns[o.Out] = g.learns[o.Out] || w != nil && !w.Frozen()
		}
		g.learns[o.Out] = g.learns[o.Out] || s.adapters[o.W] != nil
		for _, in := range o.In {
			g.learns[o.Out] = g.learns[o.Out] || g.learns[in]
			g.rows[o.Out] = g.rows[o.Out] || g.rows[in]
			g.pooled[o.Out] = g.pooled[o.Out] || g.pooled[in]
		}
		if o.Kind == models.Pool {
			g.pooled[o.Out] = true
		}
	}
	g.again = make([]*layerOps, len(g.ops))
	g.att = make([]attState, len(g.ops))
	g.low = make([][]float32, len(g.ops))
	g.decomposed = make([]decomposed, len(g.ops))
	g.ropes = map[*models.Rope]*ropeTable{}
	for _, o := range g.ops {
		if rope := p.Rope(o.Layer); o.Kind == models.Rotate && g.ropes[rope] == nil {
			t := &ropeTable{neox: rope.Neox}
			t.freqs, t.mscale = rope.Freqs(s.Spec.Context)
			g.ropes[rope] = t
		}
	}
	for i := 0; i < workers; i++ {
		g.scratch = append(g.scratch, &scratch{att: &attendBF16{}})
	}
	return g
}

// height is the number of rows of value v in the current batch.
func (g *Graph) height(v models.Value) int {
	switch {
	case g.pooled[v]:
		return g.batch.Seqs()
	case g.rows[v]:
		return g.batch.rows()
	}
	return len(g.batch.Tokens)
}

// Value returns value v of the last Forward, [rows, width].
func (g *Graph) Value(v models.Value) []float32 { return g.val[v] }

// Grad returns the gradient of value v for a loss to write before Backward, zeroed on first use of a batch.
func (g *Graph) Grad(v models.Value) []float32 {
	n := g.height(v) * g.student.Program.Width[v]
	if !g.dirty[v] {
		g.grad[v] = g.renew(g.grad[v], n)
		g.zero(g.grad[v])
		g.dirty[v] = true
	}
	return g.grad[v]
}

// want lists the wanted rows.
func (g *Graph) want() []int {
	if len(g.batch.Want) > 0 {
		return g.batch.Want
	}
	for len(g.ones) < len(g.batch.Tokens) {
		g.ones = append(g.ones, len(g.ones))
	}
	return g.ones[:len(g.batch.Tokens)]
}

// Forward computes every value for batch b, which must not change until after Backward.
func (g *Graph) Forward(b *Batch) {
	g.batch = b
	clear(g.dirty)
	for v, d := range g.grad {
		g.grad[v] = nil
		g.release(d)
	}
	g.ropeTables()
	for i := range g.ops {
		g.forward(i)
		if l := g.again[i]; l != nil {
			g.drop(l)
		}
	}
}

// forward computes the value of op i.
func (g *Graph) forward(i int) {
	p, b, o := g.student.Program, g.batch, &g.ops[i]
	w, n := p.Width[o.Out], g.height(o.Out)
	out := g.renew(g.val[o.Out], n*w)
	g.val[o.Out] = out
	var in, in1 []float32
	if len(o.In) > 0 {
		in = g.val[o.In[0]]
	}
	if len(o.In) > 1 {
		in1 = g.val[o.In[1]]
	}
	switch o.Kind {
	case models.Embed:
		table := g.student.byName[o.W].W
		for r, t := range b.Tokens {
			copy(out[r*w:r*w+w], table[int(t)*w:])
		}
	case models.Position:
		table := g.student.byName[o.W].W
		g.eachPosition(func(r, pos int) { copy(out[r*w:r*w+w], table[pos*w:]) })
	case models.MatMul:
		weight, bias := g.weights(o)
		if a := g.student.adapters[o.W]; a != nil {
			g.adaptedMatMul(i, a, out, w, in, p.Width[o.In[0]], weight, bias, n)
		} else {
			g.matmul(out, w, in, p.Width[o.In[0]], weight, bias, n)
		}
	case models.StackMatMul:
		g.stackMatMul(o, out, in, n)
	case models.Route:
		g.route(o, out, in, n)
	case models.Mix:
		g.mix(o, out, in, in1, w, n)
	case models.Gate:
		g.gate(out, in, in1, w, n)
	case models.ClampedSwiGLU:
		g.eachRowOn(n, w, func(r int, tmp []float32) {
			g.level.ClampedSwiGLU(out[r*w:r*w+w], in[r*w:r*w+w], in1[r*w:r*w+w], tmp)
		})
	case models.RMSNorm:
		if o.Cols > 0 {
			g.normCols(o, out, in)
			return
		}
		g.norm(o, out, in, w, n)
	case models.LayerNorm:
		g.norm(o, out, in, w, n)
	case models.Rotate:
		g.copy(out, in)
		g.rotate(out, w, o, false)
	case models.Attend:
		g.attend(&g.att[i], o, out, in, in1, g.val[o.In[2]])
	case models.SwiGLU:
		g.eachRow(n, func(r int) { g.level.SwiGLU(out[r*w:r*w+w], in[r*w:r*w+w], in1[r*w:r*w+w]) })
	case models.GeGLU:
		g.eachRow(n, func(r int) { g.level.GeGLU(out[r*w:r*w+w], in[r*w:r*w+w], in1[r*w:r*w+w]) })
	case models.GELU:
		g.eachRow(n, func(r int) { g.level.GELU(out[r*w:r*w+w], in[r*w:r*w+w]) })
	case models.Mul:
		g.eachRow(n, func(r int) {
			copy(out[r*w:r*w+w], in[r*w:r*w+w])
			g.level.Mul(out[r*w:r*w+w], in1[r*w:r*w+w])
		})
	case models.SiLU:
		g.eachRow(n, func(r int) { g.level.SiLU(out[r*w:r*w+w], in[r*w:r*w+w]) })
	case models.Softplus:
		g.softplus(o, out, in, w, n)
	case models.Conv:
		g.conv(o, out, in, w)
	case models.Scan:
		g.scan(o, out, in, in1, g.val[o.In[2]], w)
	case models.ReLU2:
		g.eachRow(n, func(r int) { g.level.ReLU2(out[r*w:r*w+w], in[r*w:r*w+w]) })
	case models.Clamp:
		g.eachRow(n, func(r int) { g.level.Clamp(out[r*w:r*w+w], in[r*w:r*w+w], o.Factor) })
	case models.Scale:
		copy(out, in)
		g.eachRow(n, func(r int) { g.level.Scale(out[r*w:r*w+w], o.Factor) })
	case models.Add:
		g.eachRow(n, func(r int) {
			copy(out[r*w:r*w+w], in[r*w:r*w+w])
			g.level.Add(out[r*w:r*w+w], in1[r*w:r*w+w])
		})
	case models.Select:
		for j, r := range g.want() {
			copy(out[j*w:j*w+w], in[r*w:])
		}
	case models.Pool:
		g.pool(out, in, w)
	default:
		panic("distill: op " + o.Kind.String() + " of the program is not known")
	}
}

// norm norms the parts of n rows of width w.
func (g *Graph) norm(o *models.Op, out, in []float32, w, n int) {
	weight, bias := g.student.weightOf(o).W, g.student.biasOf(o).W
	part, eps := w/max(1, o.Heads), g.student.Spec.NormEps
	g.eachRow(n, func(r int) {
		for at := r * w; at < (r+1)*w; at += part {
			own := weight
			if o.Each {
				own = weight[at-r*w:][:part]
			}
			if o.Kind == models.LayerNorm {
				g.level.LayerNorm(out[at:at+part], in[at:at+part], own, bias, eps)
			} else {
				g.level.RMSNorm(out[at:at+part], in[at:at+part], own, eps)
			}
		}
	})
}

// normCols norms the first Cols columns of every row and copies the rest.
func (g *Graph) normCols(o *models.Op, out, in []float32) {
	w := g.student.Program.Width[o.Out]
	norm, eps := g.student.byName[o.W].W, g.student.Spec.NormEps
	copy(out, in)
	g.eachRow(len(in)/w, func(r int) {
		x := out[r*w : r*w+o.Cols]
		g.level.RMSNorm(x, x, norm, eps)
	})
}

// weights gives the rows of its tensor, and of its bias, that a MatMul reads; bias nil = none.
func (g *Graph) weights(o *models.Op) (w, bias []float32) {
	return g.rowsOf(o, g.student.byName[o.W].W), g.rowsOf(o, g.student.biasOf(o).W)
}

// rowsOf cuts from a tensor, or its gradient, the rows of a MatMul.
func (g *Graph) rowsOf(o *models.Op, x []float32) []float32 {
	if o.Rows == 0 || x == nil {
		return x
	}
	width := len(x) / o.Rows
	return x[o.Row*width : (o.Row+g.student.Program.Width[o.Out])*width]
}

// eachPosition calls fn for every row of the batch with its position in its sequence.
func (g *Graph) eachPosition(fn func(r, pos int)) {
	for s := 0; s < g.batch.Seqs(); s++ {
		for r := g.batch.Start[s]; r < g.batch.Start[s+1]; r++ {
			fn(r, r-g.batch.Start[s])
		}
	}
}

// pool gives one row a sequence. It needs all rows of the sequence (Want nil).
//
//	mean: rows added in rising order, then one division by n;  last: the last row
func (g *Graph) pool(out, in []float32, w int) {
	for s := 0; s < g.batch.Seqs(); s++ {
		lo, hi := g.batch.Start[s], g.batch.Start[s+1]
		o := out[s*w : s*w+w]
		if g.student.Spec.Pooling == models.PoolLast {
			copy(o, in[(hi-1)*w:])
			continue
		}
		clear(o)
		for r := lo; r < hi; r++ {
			g.level.Add(o, in[r*w:r*w+w])
		}
		for i := range o {
			o[i] /= float32(hi - lo)
		}
	}
}

// rowChunk rows go to a worker at a time in elementwise ops.
const rowChunk = 32

func (g *Graph) eachRow(n int, fn func(r int)) {
	g.par((n+rowChunk-1)/rowChunk, func(_, c int) {
		for r := c * rowChunk; r < min(n, (c+1)*rowChunk); r++ {
			fn(r)
		}
	})
}

// ropeTables fills cos and sin for the longest sequence so far.
func (g *Graph) ropeTables() {
	longest := 0
	for s := 0; s < g.batch.Seqs(); s++ {
		longest = max(longest, g.batch.Start[s+1]-g.batch.Start[s])
	}
	for _, t := range g.ropes {
		n := len(t.freqs)
		for pos := len(t.cos) / n; pos < longest; pos++ {
			t.cos = append(t.cos, make([]float32, n)...)
			t.sin = append(t.sin, make([]float32, n)...)
			models.RopeTable(t.cos[pos*n:], t.sin[pos*n:], t.freqs, t.mscale, pos)
		}
	}
}

// ropeTable is cos and sin [positions, Dims/2] of one rotary embedding.
type ropeTable struct {
	neox     bool
	freqs    []float64
	mscale   float64
	cos, sin []float32
}

// rotate applies rotary embedding in place to every head of every row; inverse rotates back (the transpose).
func (g *Graph) rotate(x []float32, w int, o *models.Op, inverse bool) {
	t := g.ropes[g.student.Program.Rope(o.Layer)]
	n, hd, heads, from := len(t.freqs), w/o.Heads, o.Heads, 0
	if o.Tail > 0 {
		from = hd - o.Tail
	}
	b := g.batch
	sin := t.sin
	if inverse {
		sin = make([]float32, len(t.sin))
		for i, v := range t.sin {
			sin[i] = -v
		}
	}
	g.par(b.Seqs(), func(_, s int) {
		for r := b.Start[s]; r < b.Start[s+1]; r++ {
			pos := r - b.Start[s]
			for h := 0; h < heads; h++ {
				at := r*w + h*hd
				g.level.Rope(x[at+from:at+hd], t.cos[pos*n:pos*n+n], sin[pos*n:pos*n+n], t.neox)
			}
		}
	})
}

// resize gives a slice of n elements, reusing memory where it can; contents are undefined.
func resize(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n, n+n/8)
	}
	return s[:n]
}
