package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Slower than this share is a regression.
const allowed = 0.03

// confidence of the interval. There are some 40 cases, so the usual 95 % would cry wolf.
const confidence = 0.99

const (
	minPairs   = 60 // kept ones, over all layouts
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
	longest  float64 // slowest case's median slice, ns
	nsBefore float64 // a call of base's, median
}

type verdict string

const (
	pass         verdict = "pass"
	fail         verdict = "FAIL"
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
		medians = append(medians, median(l))
	}
	ratio = middle(medians)
	if pairs < minPairs || len(all) < minLayouts {
		return ratio, math.Inf(-1), math.Inf(1), inconclusive
	}
	const draws = 2000
	r := rand.New(rand.NewPCG(1, 2))
	means := make([]float64, draws)
	drawn := make([]float64, 0, 256)
	some := make([]float64, len(all))
	for i := range means {
		for j := range some {
			l := all[r.IntN(len(all))]
			drawn = drawn[:0]
			for range l {
				drawn = append(drawn, l[r.IntN(len(l))])
			}
			some[j] = median(drawn)
		}
		means[i] = middle(some)
	}
	slices.Sort(means)
	tail := int((1 - confidence) / 2 * draws)
	lo, hi = means[tail], means[draws-1-tail]
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

// median sorts a copy.
func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
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
