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
	l.Scale(z, -1)
	l.Add(z, t)
	apart := float32((tlse - zlse) / float64(f.invT)) // taken off first, or large logits would cost the sums their digits
	for i := range z {
		z[i] -= apart
	}
	offset := float64(float64(apart)*float64(f.invT)) - (tlse - zlse)
	loss := 0.0
	for i := 0; i < n; i += klBlock { // short sums in f32, the rest in float64
		p, d := p[i:min(n, i+klBlock)], z[i:min(n, i+klBlock)]
		loss += float64(float64(l.Dot(p, d))*float64(f.invT)) + float64(float64(l.Sum(p))*offset)
	}
	copy(z, q)
	l.Axpy(z, -1, p)
	l.Scale(z, float32(weight*f.invT))
	return loss
}

const klBlock = 1024
