// Package stats judges measurements and scores: medians, bootstrap intervals and paired tests, the same on every machine
// and every time.
package stats

import (
	"math"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
)

// Draws is how many samples a bootstrap draws.
const Draws = 2000

// Rand is a stream of random numbers: Philox by seed, sample and place.
type Rand struct {
	seed       uint64
	sample, at uint32
	four       [4]uint32
}

// Uint32 is the next number.
func (r *Rand) Uint32() uint32 {
	if r.at%4 == 0 {
		r.four = kernels.Philox(r.seed, [4]uint32{kernels.PurposeSplit, r.sample, r.at, 0})
	}
	r.at++
	return r.four[(r.at-1)%4]
}

// IntN is a number from 0 to below n, of at most 2^32.
func (r *Rand) IntN(n int) int { return int(uint64(r.Uint32()) * uint64(n) >> 32) }

// Median of a list that is not empty; the list stays as it is.
func Median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// Interval is the bootstrap interval of a statistic; again computes it from a sample that it draws anew with r.
func Interval(seed uint64, confidence float64, again func(r *Rand) float64) (lo, hi float64) {
	all := samples(seed, again)
	tail := int(math.Round((1 - confidence) / 2 * Draws))
	return all[tail], all[Draws-1-tail]
}

// samples are the statistic's values of all samples, in order of size.
func samples(seed uint64, again func(r *Rand) float64) []float64 {
	all, r := make([]float64, Draws), &Rand{}
	for i := range all {
		*r = Rand{seed: seed, sample: uint32(i)}
		all[i] = again(r)
	}
	slices.Sort(all)
	return all
}

// OfRows is the value of a statistic of n rows, and its 95 % bootstrap interval, rows drawn anew.
func OfRows(n int, seed uint64, of func(rows []int) float64) (v, lo, hi float64) {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	if v = of(rows); n > 0 {
		lo, hi = Interval(seed, 0.95, func(r *Rand) float64 { return of(drawRows(r, rows)) })
	}
	return v, lo, hi
}

func drawRows(r *Rand, rows []int) []int {
	for i := range rows {
		rows[i] = r.IntN(len(rows))
	}
	return rows
}

// Draw fills dst with values of src, each drawn from all of them.
func Draw(r *Rand, dst, src []float64) {
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
	return ratioOfMedians(a, b, func(r *Rand, x, y []float64) {
		for i := range x {
			k := r.IntN(len(a))
			x[i], y[i] = a[k], b[k]
		}
	})
}

// RatioOfMediansApart is the same of measurements that have nothing to do with each other.
func RatioOfMediansApart(a, b []float64) (ratio, lo, hi float64) {
	return ratioOfMedians(a, b, func(r *Rand, x, y []float64) {
		Draw(r, x, a)
		Draw(r, y, b)
	})
}

func ratioOfMedians(a, b []float64, draw func(r *Rand, x, y []float64)) (ratio, lo, hi float64) {
	x, y := make([]float64, len(a)), make([]float64, len(b))
	lo, hi = Interval(1, 0.95, func(r *Rand) float64 {
		draw(r, x, y)
		return Median(x) / Median(y)
	})
	return Median(a) / Median(b), lo, hi
}
