package distill

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

func init() { losses["cosine"] = func(LossParams) Loss { return cosineLoss{} } }

// cosineLoss is 1 - cos(z, t) of two vectors, of any length: what embeddings are compared by (the first loss of Jasper and Stella, arXiv:2412.19048). With
// u = z/|z| and v = t/|t|
//
//	dz = (cos·u - v) / |z|
//
// A vector without a length has the cosine 0 with all others, and no gradient.
type cosineLoss struct{}

func (cosineLoss) NeedsTeacher() bool { return true }

func (cosineLoss) Row(_ *kernels.Level, z, t []float32, _ int32, weight float32, _ []float32) float64 {
	length := direct(z)
	size := lengthOf(t)
	if length == 0 || size == 0 {
		clear(z)
		return 1
	}
	cos := 0.0
	for i, v := range t {
		cos += float64(float64(z[i]) * float64(v))
	}
	cos /= size
	scale := float64(weight) / length
	for i, v := range t {
		z[i] = float32(float64(scale * (float64(cos*float64(z[i])) - float64(v)/size)))
	}
	return max(0, 1-cos)
}

// lengthOf is a vector's length.
func lengthOf(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	return math.Sqrt(sum)
}

// direct makes x a vector of length 1, where it has one, and returns the length.
func direct(x []float32) float64 {
	length := lengthOf(x)
	if length > 0 {
		for i, v := range x {
			x[i] = float32(float64(v) / length)
		}
	}
	return length
}
