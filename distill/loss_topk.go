package distill

import (
	"sort"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	losses["topk_forward_kl"] = func(p LossParams) Loss { return topKLoss{forwardKL{p.invT()}, p.K} }
}

// topKLoss is forward KL over the teacher's K largest logits (first index wins ties), both sides renormalised over
// those ids; the other ids get no gradient.
type topKLoss struct {
	kl forwardKL
	k  int
}

func (topKLoss) NeedsTeacher() bool { return true }

func (f topKLoss) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	k := f.k
	if k <= 0 || k > len(z) {
		k = len(z)
	}
	ids := make([]int, len(t))
	for i := range ids {
		ids[i] = i
	}
	sort.SliceStable(ids, func(a, b int) bool { return t[ids[a]] > t[ids[b]] })
	ids = ids[:k]
	zk, tk := make([]float32, k), make([]float32, k)
	for i, id := range ids {
		zk[i], tk[i] = z[id], t[id]
	}
	loss := f.kl.Row(l, zk, tk, label, weight, tmp)
	clear(z)
	for i, id := range ids {
		z[id] = zk[i]
	}
	return loss
}
