package distill

import (
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// WordsHead classifies by what the model would say next: a label's logit is the log-sum-exp of the logits of its first
// tokens at the last position (see engine.Task). Only those rows of the output head are computed.
type WordsHead struct {
	g     *Graph
	head  *Param
	out   models.Value // hidden states
	ids   []int32      // first tokens of all labels
	owner []int        // [ids] label
	n     int          // labels
	w     []float32    // [ids, Dim] the head's rows
	dw    []float32
	z     []float32 // [sequences, ids]
	tmp   []float32
}

// NewWordsHead makes the head for the labels' first tokens.
func NewWordsHead(g *Graph, first [][]int32) *WordsHead {
	p := g.student.Program
	h := &WordsHead{g: g, out: p.Hidden, n: len(first)}
	for _, o := range p.Ops {
		if o.Out == p.Logits {
			h.head = g.student.byName[o.W]
		}
	}
	for l, ids := range first {
		for _, id := range ids {
			h.ids, h.owner = append(h.ids, id), append(h.owner, l)
		}
	}
	return h
}

// Loss returns the weighted loss of the batch, whose wanted rows must be the last of each sequence, and with grad
// writes the gradient of the hidden states and adds the head weight's.
func (h *WordsHead) Loss(loss Loss, targets func(seq int) Target, grad bool) float64 {
	g, k := h.g, len(h.ids)
	dim := g.student.Program.Width[h.out]
	x, rows := g.val[h.out], g.height(h.out)
	h.w = resize(h.w, k*dim)
	for i, id := range h.ids {
		copy(h.w[i*dim:i*dim+dim], h.head.W[int(id)*dim:])
	}
	h.z = resize(h.z, rows*k)
	g.matmul(h.z, k, x, dim, h.w, nil, rows)
	total := 0.0
	for r := range rows {
		total += h.row(loss, h.z[r*k:r*k+k], targets(r))
	}
	if !grad {
		return total
	}
	g.matmulBackX(g.Grad(h.out), dim, h.z, k, h.w, rows, false)
	if !h.head.Frozen() {
		h.dw = resize(h.dw, k*dim)
		clear(h.dw)
		g.matmulBackW(h.dw, dim, h.z, k, x, rows)
		for i, id := range h.ids {
			g.level.Add(h.head.G[int(id)*dim:int(id)*dim+dim], h.dw[i*dim:i*dim+dim])
		}
	}
	return total
}

// row computes one sequence's loss and turns its token logits z into their gradient.
func (h *WordsHead) row(loss Loss, z []float32, t Target) float64 {
	label := make([]float32, h.n)
	lse := make([]float64, h.n)
	for l := range label {
		lse[l] = h.logSum(z, l)
		label[l] = float32(lse[l])
	}
	v := h.g.row(loss, label, t, &h.tmp)
	for i, l := range h.owner {
		z[i] = float32(label[l] * float32(kernels.Exp(float64(z[i])-lse[l])))
	}
	return v
}

func (h *WordsHead) logSum(z []float32, label int) float64 {
	var own []float64
	for i, l := range h.owner {
		if l == label {
			own = append(own, float64(z[i]))
		}
	}
	top := own[0]
	for _, v := range own {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range own {
		sum += kernels.Exp(v - top)
	}
	return top + kernels.Log(sum)
}
