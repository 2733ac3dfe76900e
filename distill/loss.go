package distill

import (
	"fmt"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

// Loss compares one row of student logits with its target.
//
// Row returns the loss in nats and overwrites z with weight * d loss/d z. t holds the teacher's logits for the row
// (nil for losses that need none), label the gold id; without one (-1) a term that needs it is 0. tmp has room for
// 3*len(z) values.
type Loss interface {
	Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64
	NeedsTeacher() bool
}

// LossParams are the settings that losses share.
type LossParams struct {
	Temperature float64 // logits are divided by it; 0 means 1
	Alpha       float64 // mixed: share of the distillation term
	Beta        float64 // jsd: weight of the teacher in the mixture
	Skew        float64 // skew_kl, skew_reverse_kl: share of the other side in the mixture
	K           int     // topk_forward_kl, topk_rest_kl, topk_uniform_kl: how many teacher logits count

	Anchors [][]float32 // similarity_kl, mixed_similarity: the vectors of length 1 that both sides are held against
}

func (p LossParams) invT() float32 {
	if p.Temperature == 0 {
		return 1
	}
	return float32(1 / p.Temperature)
}

// losses is filled by the init of each loss_*.go: adding one is adding a file; TestLosses finds it.
var losses = map[string]func(LossParams) Loss{}

// Losses lists the known losses, sorted.
func Losses() []string {
	var names []string
	for n := range losses {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// NewLoss returns the named loss.
func NewLoss(name string, p LossParams) (Loss, error) {
	f, ok := losses[name]
	if !ok {
		return nil, fmt.Errorf("unknown loss %q, want one of: %s", name, strings.Join(Losses(), ", "))
	}
	if p.Temperature < 0 || p.Temperature > 1e4 || p.Temperature != p.Temperature {
		return nil, fmt.Errorf("loss %s: temperature is %v, want a positive number", name, p.Temperature)
	}
	l := f(p)
	if c, ok := l.(interface{ check() error }); ok {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("loss %s: %v", name, err)
		}
	}
	return l, nil
}

// softmax writes softmax(z*invT) to p and returns log(sum(exp(z*invT - max))) + max, so that
// log p_i = z_i*invT - lse. p and z may be the same slice.
func softmax(l *kernels.Level, p, z []float32, invT float32) (lse float64) {
	copy(p, z)
	if invT != 1 {
		l.Scale(p, invT)
	}
	max := l.Max(p)
	sum := l.SoftmaxExp(p, p, max)
	l.Scale(p, 1/sum)
	return float64(max) + kernels.Log(float64(sum))
}
