package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["forward_kl"] = func(p LossParams) Loss { return forwardKL{p.invT()} } }

// forwardKL is KL(teacher || student) = sum p (log p - log q); dz = (q - p)/T (Hinton et al., arXiv:1503.02531,
// without the factor T²).
type forwardKL struct{ invT float32 }

func (forwardKL) NeedsTeacher() bool { return true }

func (f forwardKL) Row(l *kernels.Level, z, t []float32, _ int32, weight float32, tmp []float32) float64 {
	n := len(z)
	p, q := tmp[:n], tmp[n:2*n]
	tlse := softmax(l, p, t, f.invT)
	zlse := softmax(l, q, z, f.invT)
	loss := 0.0
	for i, pi := range p {
		if pi > 0 {
			loss += float64(float64(pi) * (float64(float64(t[i]-z[i])*float64(f.invT)) - tlse + zlse))
		}
		z[i] = q[i] - pi
	}
	l.Scale(z, float32(weight*f.invT))
	return loss
}
