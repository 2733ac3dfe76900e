package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["ce"] = func(p LossParams) Loss { return ceLoss{p.invT()} } }

// ceLoss is cross-entropy on the gold label: -log q_label; dz = (q - onehot)/T.
type ceLoss struct{ invT float32 }

func (ceLoss) NeedsTeacher() bool { return false }

func (c ceLoss) Row(l *kernels.Level, z, _ []float32, label int32, weight float32, _ []float32) float64 {
	if label < 0 {
		clear(z)
		return 0
	}
	zl := float32(z[label] * c.invT)
	lse := softmax(l, z, z, c.invT)
	z[label] -= 1
	l.Scale(z, float32(weight*c.invT))
	return lse - float64(zl)
}
