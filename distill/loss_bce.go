package distill

import "github.com/freehold-slm/freehold/kernels"

func init() { losses["bce"] = func(p LossParams) Loss { return bceLoss{float64(p.invT())} } }

// bceLoss is the mean binary cross-entropy of logits z with the teacher's probabilities sigmoid(t/T), each logit by itself, less what the
// teacher's own uncertainty costs: it is 0 where the student says the same.
type bceLoss struct{ invT float64 }

func (bceLoss) NeedsTeacher() bool { return true }

func (b bceLoss) Row(_ *kernels.Level, z, t []float32, _ int32, weight float32, _ []float32) float64 {
	total, n := 0.0, float64(len(z))
	for i, v := range z {
		p := kernels.Sigmoid(float64(float64(t[i]) * b.invT))
		loss, grad := bce(float64(float64(v)*b.invT), p)
		least, _ := bce(float64(float64(t[i])*b.invT), p)
		total += (loss - least) / n
		z[i] = float32(float64(float64(weight)*grad) * b.invT / n)
	}
	return total
}

// bce is the cross-entropy -p log s - (1-p) log(1-s) of a logit's probability s = kernels.Sigmoid(z) with the wanted p, and its
// derivative s - p.
func bce(z, p float64) (loss, grad float64) {
	yes, no := kernels.LogSigmoid(z), kernels.LogSigmoid(-z)
	return -float64(p*yes) - float64((1-p)*no), kernels.Exp(yes) - p
}
