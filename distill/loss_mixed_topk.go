package distill

import "github.com/freehold-slm/freehold/kernels"

func init() {
	losses["mixed_topk"] = func(p LossParams) Loss {
		return mixedTopK{topKLoss{forwardKL{p.invT()}, p.K}, ceLoss{1}, p.Alpha, 1 / float64(p.invT())}
	}
}

// TopLoss is a loss that needs the teacher's logits of a few ids only.
type TopLoss interface {
	Loss
	// RowTop is Row with the teacher's logits t of ids, which differ from each other, and no others.
	RowTop(l *kernels.Level, z []float32, ids []int32, t []float32, label int32, weight float32, tmp []float32) float64
}

// mixedTopK is alpha T² topk_forward_kl(T) + (1-alpha) ce: mixed, for labels that keep the teacher's K largest logits.
type mixedTopK struct {
	top      topKLoss
	ce       ceLoss
	alpha, t float64
}

func (mixedTopK) NeedsTeacher() bool { return true }

func (m mixedTopK) check() error { return mixedLoss{alpha: m.alpha}.check() }

func (m mixedTopK) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	return wholeRow(m, l, z, Target{Label: label, Teacher: t, Weight: weight}, tmp)
}

func (m mixedTopK) RowTop(l *kernels.Level, z []float32, ids []int32, t []float32, label int32, weight float32, tmp []float32) float64 {
	return wholeRow(m, l, z, Target{Label: label, Teacher: t, IDs: ids, Weight: weight}, tmp)
}

func (m mixedTopK) sum(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32) {
	m.top.sum(l, s, z, at, t, tmp)
	m.ce.sum(l, s, z, at, t, tmp)
}

func (m mixedTopK) end(l *kernels.Level, s *rowSums, t *Target, weight float32) float64 {
	a, b := m.alpha*m.t*m.t, 1-m.alpha
	kl := m.top.end(l, s, t, float32(float64(weight)*a))
	ce := m.ce.end(l, s, t, float32(float64(weight)*b))
	return float64(a*kl) + float64(b*ce)
}

func (m mixedTopK) grad(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32) {
	m.ce.grad(l, s, z, at, t, tmp)
	s.top.add(z, at)
}
