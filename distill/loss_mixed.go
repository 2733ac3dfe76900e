package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	losses["mixed"] = func(p LossParams) Loss {
		return mixedLoss{forwardKL{p.invT()}, ceLoss{1}, p.Alpha, 1 / float64(p.invT())}
	}
}

// mixedLoss is alpha T² forward_kl(T) + (1-alpha) ce (Hinton et al., arXiv:1503.02531).
type mixedLoss struct {
	kl       forwardKL
	ce       ceLoss
	alpha, t float64
}

func (mixedLoss) NeedsTeacher() bool { return true }

func (m mixedLoss) check() error {
	if !(m.alpha >= 0 && m.alpha <= 1) {
		return fmt.Errorf("alpha is %v, want a number from 0 to 1", m.alpha)
	}
	return nil
}

func (m mixedLoss) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	return wholeRow(m, l, z, Target{Label: label, Teacher: t, Weight: weight}, tmp)
}

func (m mixedLoss) sum(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32) {
	m.kl.sum(l, s, z, at, t, tmp)
	m.ce.sum(l, s, z, at, t, tmp)
}

func (m mixedLoss) end(l *kernels.Level, s *rowSums, t *Target, weight float32) float64 {
	a, b := m.alpha*m.t*m.t, 1-m.alpha
	kl := m.kl.end(l, s, t, float32(float64(weight)*a))
	ce := m.ce.end(l, s, t, float32(float64(weight)*b))
	return float64(a*kl) + float64(b*ce)
}

func (m mixedLoss) grad(l *kernels.Level, s *rowSums, z []float32, at int, t *Target, tmp []float32) {
	n := len(z)
	dz := tmp[2*n : 3*n]
	copy(dz, z)
	m.kl.grad(l, s, dz, at, t, tmp)
	m.ce.grad(l, s, z, at, t, tmp)
	l.Add(z, dz)
}
