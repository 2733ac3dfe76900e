package distill

import "github.com/freehold-slm/freehold/kernels"

// RowTop is Row with the teacher's logits of ids alone.
func (f topKLoss) RowTop(l *kernels.Level, z []float32, ids []int32, t []float32, label int32, weight float32, tmp []float32) float64 {
	if len(ids) == 0 {
		clear(z)
		return 0
	}
	zk := make([]float32, len(ids))
	for i, id := range ids {
		zk[i] = z[id]
	}
	if len(tmp) < 3*len(ids) {
		tmp = make([]float32, 3*len(ids))
	}
	loss := f.kl.Row(l, zk, t, label, weight, tmp)
	clear(z)
	for i, id := range ids {
		z[id] = zk[i]
	}
	return loss
}

// RowTop is Row where t holds the log-probabilities of ids: what they leave of 1 is the mass of the others, which is why
// the temperature must be 1.
func (f topKRest) RowTop(l *kernels.Level, z []float32, ids []int32, t []float32, _ int32, weight float32, tmp []float32) float64 {
	if f.invT != 1 {
		panic("distill: the mass that is left of a few log-probabilities is known at temperature 1 alone")
	}
	n, k := len(z), len(ids)
	q, out := tmp[:n], tmp[n:2*n]
	lse := softmax(l, q, z, 1)
	copy(out, q)
	loss, rest := 0.0, 1.0
	for i, id := range ids {
		p := kernels.Exp(float64(t[i]))
		rest -= p
		loss += float64(p * (float64(t[i]) - (float64(z[id]) - lse)))
		out[id] = 0 // set below; what is left is of the others
	}
	// What the student gives to the others is their own sum: what it gives to ids, taken from 1, would be nothing where it is nearly 1.
	student := max(float64(l.Sum(out)), 1e-30)
	if rest = max(rest, 0); k == n {
		rest = 0
	}
	each := 0.0
	switch {
	case rest == 0:
	case f.uniform:
		each = rest / float64(n-k)
		known := map[int32]bool{}
		for _, id := range ids {
			known[id] = true
		}
		for i := range z {
			if !known[int32(i)] {
				loss += float64(each * (kernels.Log(each) - (float64(z[i]) - lse)))
				out[i] -= float32(each)
			}
		}
	default:
		loss += float64(rest * kernels.Log(rest/student))
		l.Scale(out, float32(1-rest/student))
	}
	for i, id := range ids {
		out[id] = q[id] - float32(kernels.Exp(float64(t[i])))
	}
	copy(z, out)
	l.Scale(z, weight)
	return loss
}
