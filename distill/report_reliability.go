package distill

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

//go:embed report_reliability.tmpl.html
var reliabilitySource string

// reliabilityChart draws how often the student is right against how sure it says it is: a dot a bin, its area the bin's rows, and the
// line on which both are the same (a reliability diagram, Guo et al., arXiv:1706.04599). Bins before calibration are rings.
func reliabilityChart(bins, before []CalibrationBin) template.HTML {
	const size, left, top, right, bottom = 260.0, 48.0, 16.0, 26.0, 28.0
	most := 1
	for _, b := range append(slices.Clone(before), bins...) {
		most = max(most, b.Rows)
	}
	at := func(p, q float64) (x, y float64) { return left + size*p, top + size*(1-q) }
	var s strings.Builder
	fmt.Fprintf(&s, `<svg viewBox="0 0 %g %g" role="img" aria-label="share of right answers by the probability that the student gave" style="max-width:%gpx">`, left+size+right, top+size+bottom, left+size+right)
	for i := 0; i <= 4; i++ {
		v := float64(i) / 4
		x, y := at(v, v)
		fmt.Fprintf(&s, `<line x1="%g" y1="%g" x2="%g" y2="%g" class="grid"/><text x="%g" y="%g" text-anchor="end">%.0f %%</text><text x="%g" y="%g" text-anchor="middle">%.0f %%</text>`,
			left, y, left+size, y, left-6, y+4, 100*v, x, top+size+18, 100*v)
	}
	x0, y0 := at(0, 0)
	x1, y1 := at(1, 1)
	fmt.Fprintf(&s, `<line x1="%g" y1="%g" x2="%g" y2="%g" class="axis"/>`, x0, y0, x1, y1)
	dots := func(bins []CalibrationBin, class string) {
		for _, b := range bins {
			x, y := at(b.Confidence, b.Accuracy)
			fmt.Fprintf(&s, `<circle cx="%.1f" cy="%.1f" r="%.1f" class="%s"/>`, x, y, 2+10*math.Sqrt(float64(b.Rows)/float64(most)), class)
		}
	}
	dots(before, "ring")
	dots(bins, "bar")
	s.WriteString("</svg>")
	return template.HTML(s.String())
}
