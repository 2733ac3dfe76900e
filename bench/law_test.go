package bench

import (
	"math"
	"testing"
)

// Laws that made the times are found again, and too few tests give none.
func TestLaws(t *testing.T) {
	want := map[string][]float64{"prompt": {0.002, 6e-4, 1e-8}, "token": {0.008, 2e-6}, "step": {0.007, 0.001}}
	var tests []Test
	for _, n := range []int{128, 512, 1024, 4096} {
		s := want["prompt"][0] + want["prompt"][1]*float64(n) + want["prompt"][2]*float64(n*n)
		tests = append(tests, Test{shape: shape{Tokens: n, Batch: 1}, TokS: float64(n) / s})
	}
	for _, d := range []int{0, 1000, 4000} {
		s := want["token"][0] + want["token"][1]*float64(d+8)
		tests = append(tests, Test{shape: shape{Tokens: 16, Batch: 1, Depth: d, alone: true}, TokS: 1 / s})
	}
	if got := laws(tests); len(got) != 2 {
		t.Fatalf("%d laws from prompts and depths, want 2", len(got))
	}
	// One sequence is what the token's law says; others follow.
	one := want["token"][0] + want["token"][1]*8
	want["step"][0] = one - want["step"][1]
	for _, b := range []int{4, 16} {
		s := want["step"][0] + want["step"][1]*float64(b)
		tests = append(tests, Test{shape: shape{Tokens: 16, Batch: b, alone: true}, TokS: float64(b) / s})
	}
	got := laws(tests)
	if len(got) != 3 {
		t.Fatalf("%d laws, want 3", len(got))
	}
	for _, l := range got {
		for i, v := range want[l.Of] {
			if math.Abs(l.Terms[i]/v-1) > 1e-6 {
				t.Errorf("a %s over %s: term %d is %g, want %g", l.Of, l.Over, i, l.Terms[i], v)
			}
		}
		if l.Error > 1e-9 || l.From >= l.To {
			t.Errorf("a %s: error %g, from %d to %d", l.Of, l.Error, l.From, l.To)
		}
	}
	tests[0].TokS *= 1.5 // one point off: the law no longer meets all
	if l := laws(tests)[0]; l.Error < 0.01 {
		t.Errorf("error %g with a point that is off by a half", l.Error)
	}
}
