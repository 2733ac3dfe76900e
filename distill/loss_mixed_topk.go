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
	k := m.top.k
	if k <= 0 || k > len(z) {
		k = len(z)
	}
	ids, tk := make([]int32, k), make([]float32, k)
	for i, id := range largest(t, k) {
		ids[i], tk[i] = int32(id), t[id]
	}
	return m.RowTop(l, z, ids, tk, label, weight, tmp)
}

func (m mixedTopK) RowTop(l *kernels.Level, z []float32, ids []int32, t []float32, label int32, weight float32, tmp []float32) float64 {
	a, b, k := m.alpha*m.t*m.t, 1-m.alpha, len(ids)
	dz, tmp := tmp[:k], tmp[k:]
	if len(tmp) < 3*k {
		tmp = make([]float32, 3*k) // more than half of the vocabulary
	}
	for i, id := range ids {
		dz[i] = z[id]
	}
	kl := m.top.kl.Row(l, dz, t, label, float32(float64(weight)*a), tmp)
	ce := m.ce.Row(l, z, nil, label, float32(float64(weight)*b), tmp)
	for i, id := range ids {
		z[id] += dz[i]
	}
	return float64(a*kl) + float64(b*ce)
}
