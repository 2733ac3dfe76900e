package main

import (
	"math"
	"slices"

	"github.com/freehold-slm/freehold/distill/stats"
)

// Slower than this share is a regression.
const allowed = 0.03

// confidence of the interval. There are some 40 cases, so the usual 95 % would cry wolf.
const confidence = 0.99

const (
	minKept    = 10 // pairs of a layout that counts
	minPairs   = 60 // of all layouts
	minLayouts = 5
)

// layout holds one process's pairs of a case: head's time over base's.
type layout []float64

// outcome is what a case's pairs say.
type outcome struct {
	name     string
	verdict  verdict
	ratio    float64 // head's time over base's; above 1 = head is slower
	lo, hi   float64
	pairs    int
	dropped  int
	layouts  int
	nsBefore float64 // a call of base's, median
}

type verdict string

const (
	pass         verdict = "pass"
	fail         verdict = "FAIL"
	traded       verdict = "traded" // slower, and chosen to be: see trade
	inconclusive verdict = "inconclusive"
)

// judge gives the ratio with its interval, and what follows from it. Where code lies in memory changes its speed by
// some percent without any change of the code, so a case is measured in several layouts, and the bootstrap draws
// layouts first, then pairs within them.
func judge(all []layout) (ratio, lo, hi float64, v verdict) {
	pairs := 0
	var medians []float64
	for _, l := range all {
		pairs += len(l)
		medians = append(medians, stats.Median(l))
	}
	ratio = middle(medians)
	if pairs < minPairs || len(all) < minLayouts {
		return ratio, math.Inf(-1), math.Inf(1), inconclusive
	}
	drawn := make([]float64, pairs)
	lo, hi = stats.Interval(1, confidence, func(r *stats.Rand) float64 {
		for i := range medians {
			l := all[r.IntN(len(all))]
			stats.Draw(r, drawn[:len(l)], l)
			medians[i] = stats.Median(drawn[:len(l)])
		}
		return middle(medians)
	})
	switch {
	case lo > 1+allowed:
		v = fail
	case hi < 1+allowed:
		v = pass
	default:
		v = inconclusive
	}
	return ratio, lo, hi, v
}

// middle is the mean without the smallest and the largest quarter: layouts can be lucky and unlucky by a lot.
func middle(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	cut := len(s) / 4
	sum := 0.0
	for _, v := range s[cut : len(s)-cut] {
		sum += v
	}
	return sum / float64(len(s)-2*cut)
}
