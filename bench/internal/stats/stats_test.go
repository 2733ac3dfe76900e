package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	x := []float64{9, 1, 4}
	if Median(x) != 4 || !slices.Equal(x, []float64{9, 1, 4}) {
		t.Errorf("median %v, list %v", Median(x), x)
	}
	if m := Median([]float64{8, 2, 4, 100}); m != 6 {
		t.Errorf("median of four: %v, want 6", m)
	}
}

// A statistic that is uniform in [0, 1) has its tails where they must be, and the same ones every time.
func TestInterval(t *testing.T) {
	for _, confidence := range []float64{0.95, 0.99, 0.5} {
		uniform := func(r *rand.Rand) float64 { return r.Float64() }
		lo, hi := Interval(confidence, uniform)
		if tail := (1 - confidence) / 2; math.Abs(lo-tail) > 0.02 || math.Abs(1-hi-tail) > 0.02 {
			t.Errorf("%v: [%v, %v]", confidence, lo, hi)
		}
		if a, b := Interval(confidence, uniform); a != lo || b != hi {
			t.Errorf("%v: [%v, %v], then [%v, %v]", confidence, lo, hi, a, b)
		}
	}
}

// The 95 % interval holds the true ratio about that often, and one that knows of pairs is narrower where the noise is
// common to both.
func TestRatioOfMedians(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const runs = 100
	hits, narrower := 0, 0
	for range runs {
		a, b := make([]float64, 25), make([]float64, 25)
		for i := range a {
			machine := 1 + 0.2*r.Float64()
			a[i] = 2 * machine * (1 + 0.01*r.NormFloat64())
			b[i] = machine * (1 + 0.01*r.NormFloat64())
		}
		ratio, lo, hi := RatioOfMedians(a, b)
		if !(lo <= ratio && ratio <= hi) || ratio != Median(a)/Median(b) {
			t.Fatalf("%v [%v, %v]", ratio, lo, hi)
		}
		if lo <= 2 && 2 <= hi {
			hits++
		}
		if _, far, up := RatioOfMediansApart(a, b); up-far > hi-lo {
			narrower++
		}
	}
	if hits < 88 || narrower < 95 {
		t.Errorf("of %d intervals %d hold the true ratio, %d are narrower for knowing the pairs", runs, hits, narrower)
	}
	if ratio, lo, hi := RatioOfMediansApart([]float64{6, 6}, []float64{2, 2, 2}); ratio != 3 || lo != 3 || hi != 3 {
		t.Errorf("without noise: %v [%v, %v]", ratio, lo, hi)
	}
	defer func() {
		if recover() == nil {
			t.Error("pairs of unequal lists")
		}
	}()
	RatioOfMedians([]float64{1, 2}, []float64{1})
}

// Where the true mean is 0, p is below 0.05 in about one of twenty; a difference that is always there has the lowest p,
// and zeros change nothing.
func TestSignFlip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const runs = 200
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
	if low < 2 || low > 22 { // 10 expected, 3 apart
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
