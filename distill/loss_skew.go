package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	losses["skew_kl"] = func(p LossParams) Loss { return skewLoss{p.invT(), p.Skew, false} }
	losses["skew_reverse_kl"] = func(p LossParams) Loss { return skewLoss{p.invT(), p.Skew, true} }
}

// skewLoss is the skew Kullback-Leibler divergence of DistiLLM (Ko et al., arXiv:2402.03898), whose gradient stays
// bounded where one side gives no mass. With p the teacher, q the student and a the skew:
//
//	skew_kl          KL(p || a p + (1-a) q)
//	skew_reverse_kl  KL(q || (1-a) p + a q)
type skewLoss struct {
	invT    float32
	a       float64
	reverse bool
}

func (skewLoss) NeedsTeacher() bool { return true }

func (s skewLoss) check() error {
	if !(s.a > 0 && s.a < 1) {
		return fmt.Errorf("skew is %v, want a number between 0 and 1", s.a)
	}
	return nil
}

func (s skewLoss) Row(l *kernels.Level, z, t []float32, _ int32, weight float32, tmp []float32) float64 {
	n := len(z)
	p, q := tmp[:n], tmp[n:2*n]
	softmax(l, p, t, s.invT)
	softmax(l, q, z, s.invT)
	loss := 0.0
	for i := range z { // z becomes d loss / d q
		pi, qi := float64(p[i]), float64(q[i])
		z[i] = 0
		if s.reverse {
			if m := float64((1-s.a)*pi) + float64(s.a*qi); qi > 0 && m > 0 {
				d := kernels.Log(qi / m)
				loss += float64(qi * d)
				z[i] = float32(d - float64(s.a*qi)/m) // + 1, which throughSoftmax takes away
			}
		} else if m := float64(s.a*pi) + float64((1-s.a)*qi); pi > 0 && m > 0 {
			loss += float64(pi * kernels.Log(pi/m))
			z[i] = float32(-float64((1-s.a)*pi) / m)
		}
	}
	throughSoftmax(l, z, q, float32(weight*s.invT))
	return loss
}

// throughSoftmax turns the gradient g by the probabilities q into scale times that by the logits: q_i (g_i - sum q g).
func throughSoftmax(l *kernels.Level, g, q []float32, scale float32) {
	mean := 0.0
	for i, qi := range q {
		mean += float64(float64(qi) * float64(g[i]))
	}
	for i, qi := range q {
		g[i] = float32(qi * float32(float64(g[i])-mean))
	}
	l.Scale(g, scale)
}
