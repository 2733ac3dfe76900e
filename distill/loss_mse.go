package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["mse"] = func(LossParams) Loss { return mseLoss{} } }

// mseLoss is the mean of (z - t)²; dz = 2 (z - t)/n. It compares states (TinyBERT, arXiv:1909.10351, eq. 8) or logits as
// they are, without a temperature.
type mseLoss struct{}

func (mseLoss) NeedsTeacher() bool { return true }

func (mseLoss) Row(l *kernels.Level, z, t []float32, _ int32, weight float32, _ []float32) float64 {
	sum := 0.0
	for i, v := range t {
		z[i] -= v
		sum += float64(float64(z[i]) * float64(z[i]))
	}
	l.Scale(z, float32(2*weight/float32(len(z))))
	return sum / float64(len(z))
}
