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
		uniform := func(r *Rand) float64 { return float64(r.IntN(1<<30)) / (1 << 30) }
		lo, hi := Interval(3, confidence, uniform)
		if tail := (1 - confidence) / 2; math.Abs(lo-tail) > 0.02 || math.Abs(1-hi-tail) > 0.02 {
			t.Errorf("%v: [%v, %v]", confidence, lo, hi)
		}
		if a, b := Interval(3, confidence, uniform); a != lo || b != hi {
			t.Errorf("%v: [%v, %v], then [%v, %v]", confidence, lo, hi, a, b)
		}
	}
}

// The 95 % interval holds the true ratio about that often, and one that knows of pairs is narrower where the noise is
// common to both.
func TestRatioOfMedians(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const runs = 50
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
	if hits < 42 || narrower < 47 {
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
