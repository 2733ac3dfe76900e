package distill

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

//go:embed report_ladder.tmpl.html
var ladderSource string

// ScoreName is what a rung's score is called.
func (s *Summary) ScoreName() string { return s.metric() }

// rungsChart draws the ladder: for each form of the student its score, its divergence from the weights as they were
// trained (a bar to the mean, a tick at the 99.9th percentile, logarithmic), its size and its speed.
func rungsChart(s *Summary) template.HTML {
	const w, row, left, top, col, gap = 640.0, 26.0, 74.0, 22.0, 134.0, 8.0
	var most struct{ bytes, speed, kl, least float64 }
	most.least = 1
	for _, r := range s.Ladder {
		most.bytes, most.speed = max(most.bytes, float64(r.Bytes)), max(most.speed, r.RowsPerS)
		if r.KL != nil {
			most.kl = max(most.kl, r.KL.P999)
			if r.KL.Mean > 0 {
				most.least = min(most.least, r.KL.Mean)
			}
		}
	}
	// a decade below the least is the axis, so that every divergence that is not 0 has a bar
	log := func(v float64) float64 {
		if v <= 0 || most.kl <= 0 {
			return 0
		}
		lo := kernels.Log(most.least / 10)
		return max(0, (kernels.Log(v)-lo)/(kernels.Log(max(most.kl, most.least))-lo))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="quantisation ladder">`, w, top+row*float64(len(s.Ladder))+4)
	for i, name := range []string{s.metric(), s.Apart() + ", log scale", "size", "rows/s"} {
		fmt.Fprintf(&b, `<text x="%g" y="14">%s</text>`, left+float64(i)*(col+gap), template.HTMLEscapeString(name))
	}
	for i, r := range s.Ladder {
		y := top + row*float64(i)
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="end">%s</text>`, left-8, y+16, template.HTMLEscapeString(r.Format))
		bar := func(at int, of1 float64, label string) {
			x := left + float64(at)*(col+gap)
			fmt.Fprintf(&b, `<rect x="%g" y="%g" width="%.1f" height="%g" class="bar"/><text x="%.1f" y="%g">%s</text>`, x, y+4, (col-60)*of1, row-10, x+(col-60)*of1+5, y+16, label)
		}
		bar(0, r.Score, fmt.Sprintf("%.1f %%", 100*r.Score))
		if r.KL != nil {
			bar(1, log(r.KL.Mean), fmt.Sprintf("%.2g", r.KL.Mean))
			x := left + col + gap + (col-60)*log(r.KL.P999)
			fmt.Fprintf(&b, `<line x1="%.1f" y1="%g" x2="%.1f" y2="%g" class="axis"/>`, x, y+2, x, y+row-4)
		}
		bar(2, float64(r.Bytes)/max(1, most.bytes), fmt.Sprintf("%.1f MB", float64(r.Bytes)/1e6))
		bar(3, r.RowsPerS/max(1e-9, most.speed), fmt.Sprintf("%.1f", r.RowsPerS))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
