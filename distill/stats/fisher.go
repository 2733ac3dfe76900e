package stats

import (
	"math"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
)

// Fisher is the exact two-sided p-value of Fisher's test: of two groups of n1 and n2 rows hits1 and hits2 are right, how often chance alone would
// part as many right rows between them so that it is as improbable, or more so.
func Fisher(hits1, n1, hits2, n2 int) float64 {
	if hits1 < 0 || hits1 > n1 || hits2 < 0 || hits2 > n2 {
		panic("stats: more right rows than rows")
	}
	k := hits1 + hits2
	logs := make([]float64, n1+n2+1) // log of factorials
	for i := 2; i < len(logs); i++ {
		logs[i] = logs[i-1] + kernels.Log(float64(i))
	}
	choose := func(n, k int) float64 { return logs[n] - logs[k] - logs[n-k] }
	of := func(x int) float64 { return choose(n1, x) + choose(n2, k-x) - choose(n1+n2, k) }
	seen := of(hits1) + 1e-9 // equal ones may be rounded apart
	sum := 0.0
	for x := max(0, k-n2); x <= min(n1, k); x++ {
		if lp := of(x); lp <= seen {
			sum += kernels.Exp(lp)
		}
	}
	return min(1, sum)
}

// Wilson is the 95 % interval of a share of which hits of n were seen (Wilson 1927). Unlike a bootstrap's it says that ten right rows of ten may be
// luck.
func Wilson(hits, n int) (lo, hi float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	p, zz := float64(hits)/float64(n), float64(z*z)/float64(n)
	mid, half := p+float64(zz/2), float64(z*math.Sqrt(float64(p*(1-p))/float64(n)+float64(zz*zz)/(4*z*z)))
	return max(0, (mid-half)/(1+zz)), min(1, (mid+half)/(1+zz))
}

// Holm corrects p-values of several tests for their number, so that none of all is called significant by chance oftener than the level says
// (Holm 1979).
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	out, most := make([]float64, len(p)), 0.0
	for rank, i := range order {
		most = max(most, min(1, float64(len(p)-rank)*p[i]))
		out[i] = most
	}
	return out
}
