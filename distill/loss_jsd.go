package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	losses["jsd"] = func(p LossParams) Loss { return jsdLoss{p.invT(), p.Beta} }
}

// jsdLoss is the generalised Jensen-Shannon divergence of GKD (Agarwal et al., arXiv:2306.13649, eq. 1):
//
//	m = beta p + (1-beta) q;  beta KL(p || m) + (1-beta) KL(q || m)
//	dz_i = (1-beta) q_i (log q_i/m_i - KL(q||m))/T
type jsdLoss struct {
	invT float32
	beta float64
}

func (jsdLoss) NeedsTeacher() bool { return true }

func (j jsdLoss) check() error {
	if !(j.beta > 0 && j.beta < 1) {
		return fmt.Errorf("beta is %v, want a number between 0 and 1", j.beta)
	}
	return nil
}

func (j jsdLoss) Row(l *kernels.Level, z, t []float32, _ int32, weight float32, tmp []float32) float64 {
	n := len(z)
	p, q := tmp[:n], tmp[n:2*n]
	softmax(l, p, t, j.invT)
	softmax(l, q, z, j.invT)
	var pm, qm float64
	for i := range z {
		pi, qi := float64(p[i]), float64(q[i])
		m := float64(j.beta*pi) + float64((1-j.beta)*qi)
		z[i] = 0
		if pi > 0 && m > 0 {
			pm += float64(pi * kernels.Log(pi/m))
		}
		if qi > 0 && m > 0 {
			d := kernels.Log(qi / m)
			qm += float64(qi * d)
			z[i] = float32(d)
		}
	}
	for i, qi := range q {
		z[i] = float32(qi * float32(float64(z[i])-qm))
	}
	l.Scale(z, float32(float32(float64(weight)*(1-j.beta))*j.invT))
	return float64(j.beta*pm) + float64((1-j.beta)*qm)
}
