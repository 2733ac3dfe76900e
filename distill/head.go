package distill

import "github.com/freehold-slm/freehold/models"

// headLogits logits exist at a time, at least headRows rows of them: [tokens, vocab] is never whole. Fewer rows would
// read and write the head's gradient more often.
const (
	headLogits = 16 << 20
	headRows   = 64
)

// Target is what a wanted row should predict.
type Target struct {
	Label   int32     // gold id, -1 = none
	Teacher []float32 // teacher's logits over the same columns, nil = none
	IDs     []int32   // the columns that Teacher is of, for a TopLoss; nil = all
	Weight  float32   // multiplies the loss, e.g. 1/number of counted rows; 0 skips the row
}

// Head computes logits and losses of a graph's wanted rows in chunks, and their gradients.
type Head struct {
	g      *Graph
	out    models.Value
	op     models.Op   // the matrix product
	after  []models.Op // on its result, elementwise
	logits []float32
	capped []float32
	loss   []float64
	tmp    [][]float32 // [workers] loss scratch
	sweep  sweep
}

// NewHead makes the language-model head of g.
func NewHead(g *Graph) *Head {
	p := g.student.Program
	h := &Head{g: g, out: p.Logits, tmp: make([][]float32, len(g.scratch))}
	for _, o := range p.Ops {
		if !p.InHead(o.Out) {
			continue
		}
		if o.Kind == models.MatMul {
			h.op = o
		} else {
			h.after = append(h.after, o)
		}
	}
	return h
}

// Loss returns the weighted loss of the wanted rows after Forward and, with grad, writes the gradient of the hidden
// states and adds the head weight's. targets(r) gives the target of wanted row r.
func (h *Head) Loss(loss Loss, targets func(r int) Target, grad bool) float64 {
	g := h.g
	if parts, ok := loss.(partLoss); ok && g.bf16 && h.op.B == "" {
		return h.sweepLoss(parts, targets, grad)
	}
	in, out := g.student.Program.Width[h.op.In[0]], g.student.Program.Width[h.out]
	w := g.student.byName[h.op.W]
	x := g.val[h.op.In[0]]
	n := g.height(h.op.In[0])
	var dx []float32
	if grad {
		dx = g.Grad(h.op.In[0])
	}
	total := 0.0
	rows := max(headRows, headLogits/out)
	for r0 := 0; r0 < n; r0 += rows {
		m := min(rows, n-r0)
		h.logits = resize(h.logits, m*out)
		h.loss = resize64(h.loss, m)
		h.compute(h.logits, x[r0*in:], m, grad)
		g.par(m, func(worker, i int) {
			h.loss[i] = h.g.row(loss, h.logits[i*out:i*out+out], targets(r0+i), &h.tmp[worker])
		})
		for i := 0; i < m; i++ {
			total += h.loss[i]
		}
		if grad {
			h.back(m, out)
			if db := g.student.biasOf(&h.op).G; db != nil {
				for i := range m {
					g.level.Add(db, h.logits[i*out:i*out+out])
				}
			}
			g.matmulBackX(dx[r0*in:], in, h.logits, out, w.W, m, true)
			if !w.Frozen() {
				g.matmulBackW(w.G, in, h.logits, out, x[r0*in:], m)
			}
		}
	}
	return total
}

// row computes one weighted loss and leaves its gradient in z.
func (g *Graph) row(loss Loss, z []float32, t Target, tmp *[]float32) float64 {
	if t.Weight == 0 {
		clear(z)
		return 0
	}
	*tmp = resize(*tmp, 3*len(z))
	if t.IDs != nil {
		return float64(t.Weight) * loss.(TopLoss).RowTop(g.level, z, t.IDs, t.Teacher, t.Label, t.Weight, *tmp)
	}
	return float64(t.Weight) * loss.Row(g.level, z, t.Teacher, t.Label, t.Weight, *tmp)
}

// ClassLoss is Head.Loss for what is pooled or marked: targets are over the labels of a classification head, or over the numbers of an embedding, one a sequence; over
// the tags one a wanted row.
func (g *Graph) ClassLoss(loss Loss, targets func(row int) Target, grad bool) float64 {
	v := g.student.Program.Class
	if v < 0 {
		v = g.student.Program.Vector
	}
	w := g.student.Program.Width[v]
	z := append([]float32(nil), g.val[v]...)
	var tmp []float32
	total := 0.0
	for r := range g.height(v) {
		total += g.row(loss, z[r*w:r*w+w], targets(r), &tmp)
	}
	if grad {
		copy(g.Grad(v), z)
	}
	return total
}

// Logits writes the logits of wanted rows [lo, hi) to dst [hi-lo, Vocab].
func (h *Head) Logits(dst []float32, lo, hi int) {
	in := h.g.student.Program.Width[h.op.In[0]]
	h.compute(dst, h.g.val[h.op.In[0]][lo*in:], hi-lo, false)
}

// compute writes the logits of n rows of x; with keep, back may follow.
func (h *Head) compute(dst, x []float32, n int, keep bool) {
	g := h.g
	in, out := g.student.Program.Width[h.op.In[0]], g.student.Program.Width[h.out]
	g.matmul(dst, out, x, in, g.student.byName[h.op.W].W, g.student.biasOf(&h.op).W, n)
	for _, o := range h.after {
		g.eachRow(n, func(r int) {
			if row := dst[r*out : r*out+out]; o.Kind == models.SoftCap {
				g.level.SoftCap(row, o.Factor)
			} else {
				g.level.Scale(row, o.Factor)
			}
		})
		if keep && o.Kind == models.SoftCap {
			h.capped = append(h.capped[:0], dst[:n*out]...)
		}
	}
}

// back takes the gradient of n rows of logits in h.logits, of what compute kept last, back to that of the product.
func (h *Head) back(n, out int) {
	for i := len(h.after) - 1; i >= 0; i-- {
		o := &h.after[i]
		h.g.eachRow(n, func(r int) {
			if row := h.logits[r*out : r*out+out]; o.Kind == models.SoftCap {
				h.g.level.SoftCapBack(row, h.capped[r*out:r*out+out], o.Factor)
			} else {
				h.g.level.Scale(row, o.Factor)
			}
		})
	}
}

func resize64(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	return s[:n]
}
