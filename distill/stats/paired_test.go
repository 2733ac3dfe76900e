package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// McNemar's p is that of a fair coin: values by hand from binomial coefficients, and the normal law where there are many.
func TestMcNemar(t *testing.T) {
	for _, c := range []struct {
		won, lost int
		want      float64
	}{
		{0, 0, 1}, {3, 3, 1}, {4, 3, 1}, {0, 1, 1}, {0, 5, 2. / 32}, {6, 0, 2. / 64}, {1, 8, 2 * 10. / 512},
		{15, 5, 2 * 21700. / (1 << 20)}, // 1 + 20 + 190 + 1140 + 4845 + 15504
	} {
		if p := McNemar(c.won, c.lost); math.Abs(p-c.want) > 1e-12 {
			t.Errorf("%d : %d: p %v, want %v", c.won, c.lost, p, c.want)
		}
	}
	for _, c := range []struct{ won, lost int }{{50100, 49900}, {50500, 49500}, {2060, 1940}, {40, 1200}} {
		n := float64(c.won + c.lost)
		z := (math.Abs(float64(c.won-c.lost)) - 1) / math.Sqrt(n) // with continuity correction
		if p, want := McNemar(c.won, c.lost), math.Erfc(z/math.Sqrt2); math.Abs(p-want) > 1e-3*want+1e-9 {
			t.Errorf("%d : %d: p %v, by the normal law %v", c.won, c.lost, p, want)
		}
		if McNemar(c.won, c.lost) != McNemar(c.lost, c.won) {
			t.Errorf("%d : %d has another p the other way round", c.won, c.lost)
		}
	}
}

// What a test calls better is better; two equal models are told apart about as rarely as the level says.
func TestPaired(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const runs, n = 25, 80
	scores := func(p float64) (hits []bool, x []float64) {
		hits, x = make([]bool, n), make([]float64, n)
		for i := range hits {
			hits[i], x[i] = r.Float64() < p, p+0.3*r.NormFloat64()
		}
		return hits, x
	}
	var wrong, found [2]int
	for seed := range uint64(runs) {
		a, x := scores(0.75)
		b, y := scores(0.75)
		c, z := scores(0.4)
		for i, p := range [][2]Paired{{Right(a, b, seed), Right(a, c, seed)}, {Bootstrap(n, seed, MeanOf(x), MeanOf(y)), Bootstrap(n, seed, MeanOf(x), MeanOf(z))}} {
			if p[0].Better() || p[0].Worse() {
				wrong[i]++
			}
			if p[1].Better() {
				found[i]++
			}
			for _, p := range p {
				if !(p.CI95[0] <= p.Difference && p.Difference <= p.CI95[1]) || p.Rows != n {
					t.Fatalf("%+v", p)
				}
			}
		}
	}
	for i, name := range []string{"McNemar", "bootstrap"} {
		if wrong[i] > 5 || found[i] < runs*7/10 { // 1 expected
			t.Errorf("%s: of %d equal pairs %d are told apart, of the unequal ones %d", name, runs, wrong[i], found[i])
		}
	}
	a, x := scores(0.5)
	if p := Right(a, a, 1); p.P != 1 || p.Difference != 0 || p.Better() || p.Worse() {
		t.Errorf("a model against itself: %+v", p)
	}
	if p := Bootstrap(n, 1, MeanOf(x), MeanOf(x)); p.P != 1 || p.Better() || p.Worse() {
		t.Errorf("a model against itself: %+v", p)
	}
	if p := Right(nil, nil, 1); p.P != 1 || p.Difference != 0 {
		t.Errorf("no rows: %+v", p)
	}
	all, none := make([]bool, 20), make([]bool, 20)
	for i := range all {
		all[i] = true
	}
	if p := Right(none, all, 1); p.Difference != -1 || p.Lost != 20 || !p.Worse() || p.P != 2./(1<<20) {
		t.Errorf("nothing against everything: %+v", p)
	}
}

// Where the true mean is 0, p is below 0.05 in about one of twenty; a difference that is always there has the lowest p,
// and zeros change nothing.
func TestSignFlip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const runs = 100
	low := 0
	for range runs {
		diff := make([]float64, 30)
		for i := range diff {
			diff[i] = r.NormFloat64()
		}
		if SignFlip(diff) < 0.05 {
			low++
		}
	}
	if low < 1 || low > 13 { // 5 expected, 2.2 apart
		t.Errorf("p is below 0.05 in %d of %d", low, runs)
	}
	always := slices.Repeat([]float64{1}, 40)
	if p := SignFlip(always); p != 1.0/10001 {
		t.Errorf("p of a difference that is always there: %v", p)
	}
	// Of three equal differences two of the eight choices of signs are as far from 0.
	if p, q := SignFlip([]float64{2, 2, 2}), SignFlip([]float64{0, 2, 0, 2, 2, 0}); math.Abs(p-0.25) > 0.02 || p != q {
		t.Errorf("p %v, with zeros %v, want 0.25", p, q)
	}
	if p := SignFlip(make([]float64, 5)); p != 1 {
		t.Errorf("no difference at all: p %v", p)
	}
}
