package ui

import (
	"fmt"
	"strings"
	"testing"
)

// Ticks are round numbers within their range, and say what they are.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{
		{0, 1, "0 0.25 0.50 0.75 1.00"}, {0, 0.0031, "0 0.001 0.002 0.003"}, {-0.3, 0.3, "-0.2 0 0.2"}, {0, 187_000, "0 50k 100k 150k"}, {5, 5.5, "5.0 5.2 5.4"},
	} {
		all, step := ticks(c.lo, c.hi, 4)
		var says []string
		for _, v := range all {
			says = append(says, short(v, step))
		}
		if got := strings.Join(says, " "); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.lo, c.hi, got, c.want)
		}
	}
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{{-3, 0, "[0.001 0.01 0.1 1]"}, {-1, 0, "[0.1 0.2 0.5 1]"}, {-12, 2, "[1e-12 1e-10 1e-08 1e-06 0.0001 0.01 1 100]"}} {
		if got := fmt.Sprintf("%.3g", decades(c.lo, c.hi)); got != c.want {
			t.Errorf("10^%v to 10^%v: %s, want %s", c.lo, c.hi, got, c.want)
		}
	}
}
