package stats

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// Alpha is the probability of calling two equal models different that a verdict accepts.
const Alpha = 0.05

// Paired is what a test says of two models' scores of the same rows.
type Paired struct {
	Test       string     `json:"test"`
	Difference float64    `json:"difference"` // score of the first less that of the second
	CI95       [2]float64 `json:"ci95"`       // of it, by paired bootstrap
	P          float64    `json:"p"`          // two-sided
	Won        int        `json:"won,omitempty"`
	Lost       int        `json:"lost,omitempty"` // McNemar: rows that the first alone, and the second alone, has right
	Rows       int        `json:"rows"`
}

// Better tells whether the test calls the first model better, Worse whether worse; where it does neither, the rows do
// not tell them apart.
func (p Paired) Better() bool { return p.P < Alpha && p.Difference > 0 }

// Worse is Better of the second model.
func (p Paired) Worse() bool { return p.P < Alpha && p.Difference < 0 }

// Right compares which rows two models have right: McNemar's test, exact.
func Right(a, b []bool, seed uint64) Paired {
	if len(a) != len(b) {
		panic("stats: a paired test of unequal numbers of rows")
	}
	p := Paired{Test: "McNemar, exact", Rows: len(a)}
	diff := make([]float64, len(a))
	for i := range a {
		switch {
		case a[i] && !b[i]:
			p.Won++
			diff[i] = 1
		case b[i] && !a[i]:
			p.Lost++
			diff[i] = -1
		}
	}
	p.Difference, p.CI95[0], p.CI95[1] = OfRows(len(a), seed, MeanOf(diff))
	p.P = McNemar(p.Won, p.Lost)
	return p
}

// McNemar is the exact two-sided p-value of McNemar's test: how often a fair coin, thrown once for each row that one
// model alone has right, falls as unevenly.
func McNemar(won, lost int) float64 {
	n, k := won+lost, min(won, lost)
	if 2*k >= n {
		return 1
	}
	// log of C(n, k) / 2^n, then the sum down to k = 0 by C(n, k-1) = C(n, k) * k / (n-k+1)
	lc := -float64(n) * kernels.Log(2)
	for i := 1; i <= k; i++ {
		lc += kernels.Log(float64(n-k+i)) - kernels.Log(float64(i))
	}
	sum, term := 0.0, 1.0
	for ; k >= 0 && term > 0; k-- {
		sum += term
		term *= float64(k) / float64(n-k+1)
	}
	return min(1, 2*kernels.Exp(lc)*sum)
}

// Bootstrap compares two scores of n rows that are no shares of right ones: how often the difference of the scores of
// rows drawn anew lies on the other side of 0.
func Bootstrap(n int, seed uint64, a, b func(rows []int) float64) Paired {
	p := Paired{Test: "paired bootstrap", Rows: n, P: 1}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	if n == 0 {
		return p
	}
	p.Difference = a(rows) - b(rows)
	all := samples(seed, func(r *Rand) float64 {
		drawRows(r, rows)
		return a(rows) - b(rows)
	})
	p.CI95 = [2]float64{all[Draws*25/1000], all[Draws-1-Draws*25/1000]}
	below, above := 0, 0
	for _, d := range all {
		if d <= 0 {
			below++
		}
		if d >= 0 {
			above++
		}
	}
	p.P = min(1, 2*float64(1+min(below, above))/(Draws+1))
	return p
}

// MeanOf is the mean of a list's rows, as a statistic of them.
func MeanOf(x []float64) func(rows []int) float64 {
	return func(rows []int) float64 {
		sum := 0.0
		for _, r := range rows {
			sum += x[r]
		}
		return sum / float64(max(1, len(rows)))
	}
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
	as := 1 // the signs as they are
	for n := range draws {
		r := Rand{seed: 1, sample: uint32(n)}
		var s float64
		var bits uint32
		for i, d := range other {
			if i%32 == 0 {
				bits = r.Uint32()
			}
			if bits>>(i%32)&1 == 0 {
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
