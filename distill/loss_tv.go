package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["tv"] = func(p LossParams) Loss { return tvLoss{p.invT()} } }

// tvLoss is the total variation distance, sum |p - q| / 2 (Wen et al., arXiv:2307.15190), with the subgradient 0 where
// both are equal.
type tvLoss struct{ invT float32 }

func (tvLoss) NeedsTeacher() bool { return true }

func (v tvLoss) Row(l *kernels.Level, z, t []float32, _ int32, weight float32, tmp []float32) float64 {
	n := len(z)
	p, q := tmp[:n], tmp[n:2*n]
	softmax(l, p, t, v.invT)
	softmax(l, q, z, v.invT)
	loss := 0.0
	for i, pi := range p {
		d := float64(q[i]) - float64(pi)
		switch {
		case d > 0:
			z[i], loss = 0.5, loss+d/2
		case d < 0:
			z[i], loss = -0.5, loss-d/2
		default:
			z[i] = 0
		}
	}
	throughSoftmax(l, z, q, float32(weight*v.invT))
	return loss
}
