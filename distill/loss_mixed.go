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
	n := len(z)
	a, b := m.alpha*m.t*m.t, 1-m.alpha
	dz := tmp[2*n : 3*n]
	copy(dz, z)
	kl := m.kl.Row(l, dz, t, label, float32(float64(weight)*a), tmp)
	ce := m.ce.Row(l, z, nil, label, float32(float64(weight)*b), tmp)
	l.Add(z, dz)
	return float64(a*kl) + float64(b*ce)
}
