package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["reverse_kl"] = func(p LossParams) Loss { return reverseKL{p.invT()} } }

// reverseKL is KL(student || teacher) = sum q (log q - log p) (MiniLLM, arXiv:2306.08543);
// dz_i = q_i (log q_i - log p_i - loss)/T.
type reverseKL struct{ invT float32 }

func (reverseKL) NeedsTeacher() bool { return true }

func (r reverseKL) Row(l *kernels.Level, z, t []float32, _ int32, weight float32, tmp []float32) float64 {
	n := len(z)
	p, q := tmp[:n], tmp[n:2*n]
	tlse := softmax(l, p, t, r.invT)
	zlse := softmax(l, q, z, r.invT)
	loss := 0.0
	for i, qi := range q {
		d := float64(float64(z[i]-t[i])*float64(r.invT)) - zlse + tlse
		loss += float64(float64(qi) * d)
		z[i] = float32(d)
	}
	for i, qi := range q {
		z[i] = float32(qi * float32(float64(z[i])-loss))
	}
	l.Scale(z, float32(weight*r.invT))
	return loss
}
