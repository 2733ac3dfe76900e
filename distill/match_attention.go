package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/models"
)

// AttentionMatch pulls what a layer of a student attends to towards what one of its teacher does. The scores of the
// student's heads, before their softmax, are mixed by a learned projection to as many as the teacher has heads, so that
// both may have any number (TinyBERT, arXiv:1909.10351, eq. 7, has one to one):
//
//	Z = P·S,  S [heads, queries, keys], S_h = scale q_h·k_hᵀ
//	weight / (tokens * teacher's heads) * sum over rows of Loss(Z row, teacher's row), over the keys that a query sees
//
// Loss "forward_kl" compares the maps, "mse" the scores themselves.
type AttentionMatch struct {
	Layer  int
	P      *Param // [teacher's heads, heads]
	Loss   Loss
	Weight float64

	s, t, z, k, tmp []float32
}

// NewAttentionMatch adds the projection to the student's tensors, until Release; it starts as NewStateMatch's does.
func NewAttentionMatch(s *Student, layer, teacherHeads int, loss Loss, weight float64, seed uint64) *AttentionMatch {
	return &AttentionMatch{Layer: layer, Loss: loss, Weight: weight, P: s.newProjection("attention", layer, s.Spec.Heads, teacherHeads, seed)}
}

func projectionName(kind string, value int) string {
	return fmt.Sprintf("match.%s.%d.weight", kind, value)
}

// attendOp is the layer's attention.
func (g *Graph) attendOp(layer int) *models.Op {
	for i := range g.ops {
		if o := &g.ops[i]; o.Kind == models.Attend && o.Layer == layer {
			return o
		}
	}
	panic(fmt.Sprintf("distill: no attention in layer %d", layer))
}

// attentionScores writes scale q·kᵀ of sequence s to dst [heads, n, n], before cap and softmax, for keys that no query
// sees too. kt has room for n keys of a head.
func (g *Graph) attentionScores(dst, kt []float32, o *models.Op, s int) {
	spec := g.student.Spec
	lo, n, hd := g.batch.Start[s], g.batch.Start[s+1]-g.batch.Start[s], spec.HeadDim
	qw, kw, group := spec.Heads*hd, spec.KVHeads*hd, spec.Heads/spec.KVHeads
	q, k := g.val[o.In[0]], g.val[o.In[1]]
	for h := range spec.Heads {
		if h%group == 0 {
			g.level.Transpose(kt, n, k[lo*kw+h/group*hd:], kw, n, hd)
		}
		g.level.GemmF32(dst[h*n*n:], n, q[lo*qw+h*hd:], qw, 1, kt, n, n, n, hd, false)
	}
	g.level.Scale(dst[:spec.Heads*n*n], spec.AttnScale)
}

// Match returns the loss after Forward of the student's graph g and of its teacher's on the same sequences and, with
// grad, adds to the gradients of queries, keys and projection, before Backward. teacherLayer is whose maps are wanted.
func (m *AttentionMatch) Match(g, teacher *Graph, teacherLayer int, grad bool) float64 {
	o, to := g.attendOp(m.Layer), teacher.attendOp(teacherLayer)
	spec, heads, wanted := g.student.Spec, m.P.Shape[0], m.P.Shape[1]
	hd := spec.HeadDim
	weight, total := float32(m.Weight/float64(len(g.batch.Tokens)*wanted)), 0.0
	for s := range g.batch.Seqs() {
		lo, n := g.batch.Start[s], g.batch.Start[s+1]-g.batch.Start[s]
		m.s, m.z, m.t = resize(m.s, heads*n*n), resize(m.z, wanted*n*n), resize(m.t, wanted*n*n)
		m.k, m.tmp = resize(m.k, n*max(hd, teacher.student.Spec.HeadDim)), resize(m.tmp, 3*n)
		g.attentionScores(m.s, m.k, o, s)
		teacher.attentionScores(m.t, m.k, to, s)
		g.level.GemmF32(m.z, n*n, m.P.W, heads, 1, m.s, n*n, wanted, n*n, heads, false)
		for h := range wanted {
			for r := range n {
				at, first := (h*n+r)*n, firstKey(r, o.Window)
				total += float64(float64(weight) * m.Loss.Row(g.level, m.z[at+first:at+r+1], m.t[at+first:at+r+1], -1, weight, m.tmp))
				clear(m.z[at : at+first])
				clear(m.z[at+r+1 : at+n])
			}
		}
		if !grad {
			continue
		}
		for h := range wanted {
			for j := range heads {
				m.P.G[h*heads+j] += g.level.Dot(m.z[h*n*n:(h+1)*n*n], m.s[j*n*n:(j+1)*n*n])
			}
		}
		m.back(g, o, lo, n)
	}
	return total
}

// back takes the gradient of Z in m.z to the queries and keys of one sequence.
func (m *AttentionMatch) back(g *Graph, o *models.Op, lo, n int) {
	spec, heads, wanted := g.student.Spec, m.P.Shape[0], m.P.Shape[1]
	hd, group := spec.HeadDim, spec.Heads/spec.KVHeads
	qw, kw := heads*hd, spec.KVHeads*hd
	q, k, dq, dk := g.val[o.In[0]], g.val[o.In[1]], g.Grad(o.In[0]), g.Grad(o.In[1])
	clear(m.s)
	for h := range heads {
		ds := m.s[h*n*n : (h+1)*n*n]
		for j := range wanted {
			g.level.Axpy(ds, m.P.W[j*heads+h], m.z[j*n*n:(j+1)*n*n])
		}
		g.level.Scale(ds, spec.AttnScale)
		at := lo*qw + h*hd
		kv := lo*kw + h/group*hd
		g.level.GemmF32(dq[at:], qw, ds, n, 1, k[kv:], kw, n, hd, n, true)
		g.level.GemmF32(dk[kv:], kw, ds, 1, n, q[at:], qw, n, hd, n, true)
	}
}

// Release takes the projection from the student, whose file has no place for it.
func (m *AttentionMatch) Release(s *Student) { s.drop(m.P) }
