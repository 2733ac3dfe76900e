package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Fisher's p by hand from binomial coefficients, whichever group comes first, and the normal law where rows are many.
func TestFisher(t *testing.T) {
	for _, c := range []struct {
		hits1, n1, hits2, n2 int
		want                 float64
	}{
		{3, 4, 1, 4, 34. / 70},                         // the lady tasting tea
		{4, 4, 0, 4, 2. / 70},                          // both ends of the table
		{1, 10, 9, 12, (2200. + 66 + 10*220) / 646646}, // filled in below
		{0, 5, 0, 9, 1}, {5, 5, 9, 9, 1}, {0, 0, 3, 9, 1}, {2, 4, 4, 8, 1},
	} {
		if c.n1 == 10 { // sum over the tables that are as improbable: C(10,x) C(12,10-x) / C(22,10)
			choose := func(n, k int) float64 {
				v := 1.0
				for i := range k {
					v *= float64(n-i) / float64(i+1)
				}
				return math.Round(v)
			}
			c.want = 0
			for x := range 11 {
				if choose(10, x)*choose(12, 10-x) <= choose(10, 1)*choose(12, 9) {
					c.want += choose(10, x) * choose(12, 10-x) / choose(22, 10)
				}
			}
		}
		if p := Fisher(c.hits1, c.n1, c.hits2, c.n2); math.Abs(p-c.want) > 1e-9 || math.Abs(Fisher(c.hits2, c.n2, c.hits1, c.n1)-p) > 1e-12 {
			t.Errorf("%d of %d, %d of %d: p %v, want %v", c.hits1, c.n1, c.hits2, c.n2, p, c.want)
		}
	}
	// 8000 of 10000 against 8150 of 10000
	pool := 16150. / 20000
	z := (0.015 - 1./10000) / math.Sqrt(pool*(1-pool)*2/10000)
	if p, want := Fisher(8000, 10000, 8150, 10000), math.Erfc(z/math.Sqrt2); math.Abs(p/want-1) > 0.02 {
		t.Errorf("p %v, by the normal law %v", p, want)
	}
}

// Wilson's interval: published values, and the true share lies within in about 95 of 100.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		hits, n int
		lo, hi  float64
	}{{10, 10, 0.7225, 1}, {0, 10, 0, 0.2775}, {81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 0, 0, 1}} { // Newcombe 1998
		if lo, hi := Wilson(c.hits, c.n); math.Abs(lo-c.lo) > 5e-5 || math.Abs(hi-c.hi) > 5e-5 {
			t.Errorf("%d of %d: %.4f to %.4f, want %v to %v", c.hits, c.n, lo, hi, c.lo, c.hi)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	within := 0
	for range 2000 {
		hits := 0
		for range 30 {
			if r.Float64() < 0.9 {
				hits++
			}
		}
		if lo, hi := Wilson(hits, 30); lo <= 0.9 && 0.9 <= hi {
			within++
		}
	}
	if within < 1840 || within > 1980 {
		t.Errorf("the share lies within %d of 2000 intervals", within)
	}
}

// Corrected p-values are never below the plain ones, keep their order, and of many tests without an effect at least one is called one about as
// rarely as the level says.
func TestHolm(t *testing.T) {
	got := Holm([]float64{0.04, 0.01, 0.03})
	for i, want := range []float64{0.06, 0.03, 0.06} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("%v", got)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	const runs, tests = 400, 8
	plain, wrong := 0, 0
	for range runs {
		p := make([]float64, tests)
		for i := range p {
			hits := [2]int{}
			for g := range hits {
				for range 40 {
					if r.Float64() < 0.7 {
						hits[g]++
					}
				}
			}
			p[i] = Fisher(hits[0], 40, hits[1], 40)
		}
		least := func(p []float64) float64 {
			m := 1.0
			for _, v := range p {
				m = min(m, v)
			}
			return m
		}
		if least(p) < Alpha {
			plain++
		}
		if least(Holm(p)) < Alpha {
			wrong++
		}
	}
	if wrong > runs*8/100 || plain < 2*wrong || plain < runs/10 {
		t.Errorf("of %d times %d tests without effect one was found %d times, uncorrected %d times", runs, tests, wrong, plain)
	}
}
