package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["forward_kl"] = func(p LossParams) Loss { return forwardKL{p.invT()} } }

// forwardKL is KL(teacher || student) = sum p (log p - log q); dz = (q - p)/T (Hinton et al., arXiv:1503.02531,
// without the factor T²).
type forwardKL struct{ invT float32 }

// klSums is what it keeps of a row.
type klSums struct {
	p, q  expSum  // teacher, student
	apart float32 // taken off t - z first, or large logits would cost the sum below its digits
	diff  float64 // sum exp(t/T - max) (t - z - apart)
	scale float32 // of the gradient
}

func (forwardKL) NeedsTeacher() bool { return true }

func (f forwardKL) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	return wholeRow(f, l, z, Target{Label: label, Teacher: t, Weight: weight}, tmp)
}

// klBlock columns are summed in f32, and their sums in float64.
const klBlock = 1024

var klOnes = func() (x [klBlock]float32) {
	for i := range x {
		x[i] = 1
	}
	return x
}()

func (f forwardKL) sum(l *kernels.Level, s *rowSums, z []float32, at int, target *Target, tmp []float32) {
	k, t := &s.kl, target.Teacher[at:at+len(z)]
	if at == 0 {
		n := min(len(z), klBlock)
		k.apart = l.Max(t[:n]) - l.Max(z[:n])
	}
	for i := 0; i < len(z); i += klBlock {
		z, t := z[i:min(len(z), i+klBlock)], t[i:min(len(z), i+klBlock)]
		e, d := tmp[:len(z)], tmp[len(z):2*len(z)]
		k.q.add(l, e, scaled(l, d, z, f.invT))
		k.diff *= k.p.add(l, e, scaled(l, d, t, f.invT))
		copy(d, t)
		l.Axpy(d, -1, z)
		l.Axpy(d, -k.apart, klOnes[:len(d)])
		k.diff += float64(l.Dot(e, d))
	}
}

func (f forwardKL) end(_ *kernels.Level, s *rowSums, _ *Target, weight float32) float64 {
	k := &s.kl
	k.scale = float32(weight * f.invT)
	offset := float64(float64(k.apart)*float64(f.invT)) - (float64(k.p.max) - float64(k.q.max))
	return float64(k.diff/k.p.sum*float64(f.invT)) + offset - (kernels.Log(k.p.sum) - kernels.Log(k.q.sum))
}

func (f forwardKL) grad(l *kernels.Level, s *rowSums, z []float32, at int, target *Target, tmp []float32) {
	k, p := &s.kl, tmp[:len(z)]
	l.SoftmaxExp(p, scaled(l, p, target.Teacher[at:at+len(z)], f.invT), k.p.max)
	l.SoftmaxExp(z, scaled(l, tmp[len(z):], z, f.invT), k.q.max)
	l.Scale(z, float32(float64(k.scale)/k.q.sum))
	l.Axpy(z, -float32(float64(k.scale)/k.p.sum), p)
}
