package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["ce"] = func(p LossParams) Loss { return ceLoss{p.invT()} } }

// ceLoss is cross-entropy on the gold label: -log q_label; dz = (q - onehot)/T.
type ceLoss struct{ invT float32 }

// ceSums is what it keeps of a row.
type ceSums struct {
	q     expSum
	label float64 // the label's logit over T
	scale float32 // of the gradient
}

func (ceLoss) NeedsTeacher() bool { return false }

func (c ceLoss) Row(l *kernels.Level, z, _ []float32, label int32, weight float32, tmp []float32) float64 {
	return wholeRow(c, l, z, Target{Label: label, Weight: weight}, tmp)
}

func (c ceLoss) sum(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32) {
	n := len(z)
	if t.Label < 0 {
		return
	}
	s.ce.q.add(l, tmp[n:2*n], scaled(l, tmp, z, c.invT))
	if i := int(t.Label) - at; i >= 0 && i < n {
		s.ce.label = float64(float32(z[i] * c.invT))
	}
}

func (c ceLoss) end(_ *kernels.Level, s *rowSums, t *Target, weight float32) float64 {
	if t.Label < 0 {
		return 0
	}
	s.ce.scale = float32(weight * c.invT)
	return s.ce.q.log() - s.ce.label
}

func (c ceLoss) grad(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32) {
	if t.Label < 0 {
		clear(z)
		return
	}
	l.SoftmaxExp(z, scaled(l, tmp, z, c.invT), s.ce.q.max)
	l.Scale(z, float32(float64(s.ce.scale)/s.ce.q.sum))
	if i := int(t.Label) - at; i >= 0 && i < len(z) {
		z[i] -= s.ce.scale
	}
}
