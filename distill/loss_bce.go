package distill

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

func init() { losses["bce"] = func(p LossParams) Loss { return bceLoss{float64(p.invT())} } }

// bceLoss is binary cross-entropy with the teacher's probability of each label by itself, less what it comes to at the teacher: the mean over labels of
// KL(p || q) with p = sigmoid(t/T) and q = sigmoid(z/T); dz = (q - p)/(T n).
type bceLoss struct{ invT float64 }

func (bceLoss) NeedsTeacher() bool { return true }

func (b bceLoss) Row(_ *kernels.Level, z, t []float32, _ int32, weight float32, _ []float32) float64 {
	loss, n := 0.0, float64(len(z))
	for i := range z {
		x, y := float64(z[i])*b.invT, float64(t[i])*b.invT
		p := sigmoid(y)
		loss += (softplus(x) - softplus(y) - float64(p*(x-y))) / n
		z[i] = float32(float64(weight) * b.invT * (sigmoid(x) - p) / n)
	}
	return loss
}

// sigmoid is 1/(1 + exp(-x)).
func sigmoid(x float64) float64 { return 1 / (1 + kernels.Exp(-x)) }

// softplus is log(1 + exp(x)), finite for all finite x.
func softplus(x float64) float64 { return max(x, 0) + kernels.Log(1+kernels.Exp(-math.Abs(x))) }
