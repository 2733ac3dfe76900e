package bench

import (
	"math/rand/v2"
	"slices"
)

// ratioOfMedians is median(a)/median(b) with its 95 % bootstrap interval; a[i] and b[i] were measured side by side and
// are drawn together.
func ratioOfMedians(a, b []float64) (ratio, lo, hi float64) {
	if len(a) != len(b) || len(a) == 0 {
		panic("bench: a ratio of unequal numbers of measurements")
	}
	return bootstrap(a, b, func(r *rand.Rand, x, y []float64) {
		for i := range x {
			k := r.IntN(len(a))
			x[i], y[i] = a[k], b[k]
		}
	})
}

// ratioOfMediansApart is the same of measurements that have nothing to do with each other.
func ratioOfMediansApart(a, b []float64) (ratio, lo, hi float64) {
	return bootstrap(a, b, func(r *rand.Rand, x, y []float64) {
		for i := range x {
			x[i] = a[r.IntN(len(a))]
		}
		for i := range y {
			y[i] = b[r.IntN(len(b))]
		}
	})
}

func bootstrap(a, b []float64, draw func(r *rand.Rand, x, y []float64)) (ratio, lo, hi float64) {
	const draws = 2000
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]float64, draws)
	x, y := make([]float64, len(a)), make([]float64, len(b))
	for i := range all {
		draw(r, x, y)
		all[i] = median(x) / median(y)
	}
	slices.Sort(all)
	return median(a) / median(b), all[draws*25/1000], all[draws*975/1000]
}
