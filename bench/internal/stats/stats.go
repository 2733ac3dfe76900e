// Package stats holds what the measurements of this room are judged by: medians, and bootstrap intervals that are the
// same every time.
package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Median of a list that is not empty; the list stays as it is.
func Median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// Interval is the bootstrap interval of a statistic; again computes it from a sample that it draws anew with r.
func Interval(confidence float64, again func(r *rand.Rand) float64) (lo, hi float64) {
	const draws = 2000
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]float64, draws)
	for i := range all {
		all[i] = again(r)
	}
	slices.Sort(all)
	tail := int(math.Round((1 - confidence) / 2 * draws))
	return all[tail], all[draws-tail]
}

// Draw fills dst with values of src, each drawn from all of them.
func Draw(r *rand.Rand, dst, src []float64) {
	for i := range dst {
		dst[i] = src[r.IntN(len(src))]
	}
}

// RatioOfMedians is median(a)/median(b) with its 95 % bootstrap interval; a[i] and b[i] were measured side by side and
// are drawn together.
func RatioOfMedians(a, b []float64) (ratio, lo, hi float64) {
	if len(a) != len(b) || len(a) == 0 {
		panic("stats: a ratio of unequal numbers of measurements, or of none")
	}
	return ratioOfMedians(a, b, func(r *rand.Rand, x, y []float64) {
		for i := range x {
			k := r.IntN(len(a))
			x[i], y[i] = a[k], b[k]
		}
	})
}

// RatioOfMediansApart is the same of measurements that have nothing to do with each other.
func RatioOfMediansApart(a, b []float64) (ratio, lo, hi float64) {
	return ratioOfMedians(a, b, func(r *rand.Rand, x, y []float64) {
		Draw(r, x, a)
		Draw(r, y, b)
	})
}

func ratioOfMedians(a, b []float64, draw func(r *rand.Rand, x, y []float64)) (ratio, lo, hi float64) {
	x, y := make([]float64, len(a)), make([]float64, len(b))
	lo, hi = Interval(0.95, func(r *rand.Rand) float64 {
		draw(r, x, y)
		return Median(x) / Median(y)
	})
	return Median(a) / Median(b), lo, hi
}

// SignFlip is the two-sided p-value of the mean of paired differences being 0 (permutation test): how often a mean as
// far from 0 comes of the same differences with signs drawn at random.
func SignFlip(diff []float64) float64 {
	const draws = 10000
	var sum float64
	var other []float64 // differences of 0 have no sign
	for _, d := range diff {
		if sum += d; d != 0 {
			other = append(other, d)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	as := 1 // the signs as they are
	for range draws {
		var s float64
		var bits uint64
		for i, d := range other {
			if i%64 == 0 {
				bits = r.Uint64()
			}
			if bits>>(i%64)&1 == 0 {
				d = -d
			}
			s += d
		}
		if math.Abs(s) >= math.Abs(sum)*(1-1e-12) {
			as++
		}
	}
	return float64(as) / (draws + 1)
}
