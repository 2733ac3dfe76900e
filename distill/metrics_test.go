package distill

import (
	"math"
	"strings"
	"testing"
)

// The calibration error is the rows' mean distance between what a bin says and what is right in it.
func TestCalibration(t *testing.T) {
	tops := []float64{0.95, 0.97, 0.6, 0.62, 1}
	hits := []bool{true, false, true, true, true}
	ece, bins := calibration(tops, hits, []int{0, 1, 2, 3, 4})
	// 0.6 lies in the bin from 9/15 on, as 0.62 does; 0.95, 0.97 and 1 in the last.
	want := []CalibrationBin{{9.0 / 15, 10.0 / 15, 2, 0.61, 1}, {14.0 / 15, 1, 3, 2.92 / 3, 2.0 / 3}}
	if len(bins) != len(want) {
		t.Fatalf("bins %+v, want %+v", bins, want)
	}
	for i, b := range bins {
		w := want[i]
		if b.Rows != w.Rows || math.Abs(b.From-w.From)+math.Abs(b.To-w.To)+math.Abs(b.Confidence-w.Confidence)+math.Abs(b.Accuracy-w.Accuracy) > 1e-12 {
			t.Errorf("bin %+v, want %+v", b, w)
		}
	}
	if want := (2*0.39 + 3*(2.92/3-2.0/3)) / 5; math.Abs(ece-want) > 1e-12 {
		t.Errorf("calibration error %g, want %g", ece, want)
	}
	if chart := string(reliabilityChart(bins, nil)); strings.Count(chart, "<circle") != 2 {
		t.Errorf("the chart has not a dot a bin: %s", chart)
	}
}
