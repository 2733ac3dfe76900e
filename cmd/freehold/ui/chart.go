package ui

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// chart is a picture of curves over steps or time, drawn as SVG: the same for a run that is over and one that goes on.
type chart struct {
	id, title, unit string
	x               string // step, or time in seconds
	zero            bool   // the axis begins at 0
	log             bool   // the axis is logarithmic; what is not above 0 is left out
	note            string
	curves          []curve
}

// ID, Title and Note are for the template.
func (c chart) ID() string    { return c.id }
func (c chart) Title() string { return c.title }
func (c chart) Note() string  { return c.note }
func (c chart) Unit() string  { return c.unit }

// Size of a chart in its own units, and of its margins.
const (
	chartW, chartH           = 460.0, 230.0
	marginLeft, marginBottom = 54.0, 30.0
	marginTop, marginRight   = 12.0, 12.0
)

// Key is a curve's entry in the legend.
type Key struct{ Name, Class string }

// Keys are the legend.
func (c chart) Keys() (all []Key) {
	for _, k := range c.curves {
		all = append(all, Key{k.name, k.class})
	}
	return all
}

func finitePoints(ps []point) []point {
	var out []point
	for _, p := range ps {
		if !math.IsNaN(p.x+p.y) && math.Abs(p.x) < 1e15 && math.Abs(p.y) < 1e15 {
			out = append(out, p)
		}
	}
	return out
}

// bounds are the least and the largest of all curves.
func (c chart) bounds() (x0, x1, y0, y1 float64) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, k := range c.curves {
		for _, p := range k.points {
			x0, x1, y0, y1 = min(x0, p.x), max(x1, p.x), min(y0, p.y), max(y1, p.y)
		}
	}
	if c.log && y1 > y0 {
		return x0, x1, y0, y1
	}
	if c.zero || y0 > 0 && y0 < 0.5*y1 {
		y0 = min(0, y0)
	}
	if y1 == y0 {
		y1 = y0 + max(1e-9, math.Abs(y0)/10)
	}
	if x1 == x0 {
		x1 = x0 + 1
	}
	return x0, x1, y0, y1
}

// ticks are about n round numbers from lo to hi.
func ticks(lo, hi float64, n int) (all []float64, step float64) {
	raw := (hi - lo) / float64(n)
	step = math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step*m >= raw {
			step *= m
			break
		}
	}
	for v := math.Ceil(lo/step) * step; v <= hi+step/1e6 && len(all) < 20; v += step {
		all = append(all, v)
	}
	return all, step
}

// decades are the powers of ten from 10^lo to 10^hi, with steps between where they are few, and some left out where they are many.
func decades(lo, hi float64) (all []float64) {
	between := []float64{1}
	if hi-lo < 2 {
		between = []float64{1, 2, 5}
	}
	every := max(1, int(hi-lo)/6)
	for e := int(math.Floor(lo)); float64(e) <= hi; e += every {
		for _, m := range between {
			if v := m * math.Pow(10, float64(e)); math.Log10(v) >= lo-1e-9 && math.Log10(v) <= hi+1e-9 {
				all = append(all, v)
			}
		}
	}
	return all
}

// SVG draws the chart. A curve of one point, and one of few that are far apart, is drawn as dots.
func (c chart) SVG() template.HTML {
	if len(c.curves) == 0 {
		return ""
	}
	x0, x1, y0, y1 := c.bounds()
	x := func(v float64) float64 { return marginLeft + (chartW-marginLeft-marginRight)*(v-x0)/(x1-x0) }
	y := func(v float64) float64 { return marginTop + (chartH-marginTop-marginBottom)*(y1-v)/(y1-y0) }
	yt, step := ticks(y0, y1, 4)
	if c.log {
		lo, hi := math.Log10(y0), math.Log10(y1)
		y = func(v float64) float64 { return marginTop + (chartH-marginTop-marginBottom)*(hi-math.Log10(v))/(hi-lo) }
		yt, step = decades(lo, hi), 0
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg id="chart-%s" viewBox="0 0 %g %g" role="img" tabindex="0" data-x="%s" data-unit="%s" data-box="%g %g %g %g" aria-label="%s">`,
		c.id, chartW, chartH, c.x, esc(c.unit), marginLeft, marginTop, chartW-marginRight, chartH-marginBottom, esc(c.says()))
	for _, v := range yt {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, marginLeft, chartW-marginRight, y(v), y(v))
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%s</text>`, marginLeft-7, y(v)+4, short(v, step))
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%g" x2="%g" y1="%g" y2="%g"/>`, marginLeft, chartW-marginRight, chartH-marginBottom, chartH-marginBottom)
	xt, xstep := ticks(x0, x1, 5)
	unit, name := 1.0, "step"
	if c.x == "time" {
		unit, name = timeUnit(x1)
		xt, xstep = ticks(x0/unit, x1/unit, 5)
	}
	for _, v := range xt {
		anchor := "middle"
		if at := x(v * unit); at > chartW-40 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="%s">%s</text>`, x(v*unit), chartH-marginBottom+19, anchor, short(v, xstep))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g">%s</text>`, 4.0, chartH-marginBottom+19, name)
	for _, k := range c.curves {
		var at, xs, ys strings.Builder
		for _, p := range k.points {
			fmt.Fprintf(&at, "%.1f,%.1f ", x(p.x), y(p.y))
			xs.WriteString(num(p.x) + " ")
			ys.WriteString(num(p.y) + " ")
		}
		class := k.class
		if len(k.points) == 1 {
			class += " dot"
		}
		fmt.Fprintf(&b, `<polyline class="curve %s" data-name="%s" data-xs="%s" data-ys="%s" points="%s"/>`,
			esc(class), esc(k.name), strings.TrimSpace(xs.String()), strings.TrimSpace(ys.String()), strings.TrimSpace(at.String()))
		if strings.HasPrefix(k.class, "dots") || len(k.points) == 1 {
			for _, p := range k.points {
				fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3.5"/>`, esc(k.class), x(p.x), y(p.y))
			}
		}
	}
	b.WriteString(`<g class="hair" hidden></g></svg>`)
	return template.HTML(b.String())
}

// says is the chart in a sentence, for those who do not see it.
func (c chart) says() string {
	s := c.title + ":"
	for _, k := range c.curves {
		first, last := k.points[0], k.points[len(k.points)-1]
		s += fmt.Sprintf(" %s from %s to %s %s over %d points;", k.name, num(first.y), num(last.y), c.unit, len(k.points))
	}
	return strings.TrimSuffix(s, ";") + ". Arrow keys read the points."
}

// Row is a line of the table behind a chart.
type Row struct {
	X     string
	Cells []string
}

// Rows are about twenty lines of the first curve and what the others have there, the last among them.
func (c chart) Rows() (all []Row) {
	first := c.curves[0]
	every := max(1, len(first.points)/20)
	for i, p := range first.points {
		if i%every != 0 && i != len(first.points)-1 {
			continue
		}
		r := Row{X: num(p.x)}
		if c.x == "time" {
			r.X += " s"
		}
		for _, k := range c.curves {
			cell := ""
			for _, o := range k.points {
				if o.x == p.x {
					cell = num(o.y)
				}
			}
			r.Cells = append(r.Cells, cell)
		}
		all = append(all, r)
	}
	return all
}

// timeUnit is the unit in which so many seconds are told.
func timeUnit(seconds float64) (unit float64, name string) {
	switch {
	case seconds >= 2*3600:
		return 3600, "h"
	case seconds >= 120:
		return 60, "min"
	}
	return 1, "s"
}

// num is a number with the digits that matter.
func num(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}

// short is a tick's number: as many digits as its step asks for.
func short(v, step float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a >= 1e7 || a > 0 && a < 1e-3:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case step == 0: // of a logarithmic axis
		return strconv.FormatFloat(v, 'g', 3, 64)
	case step >= 1000:
		return strconv.FormatFloat(v/1000, 'f', -1, 64) + "k"
	}
	digits := 0
	for s := step; digits < 6 && math.Abs(s-math.Round(s)) > 1e-9; s *= 10 {
		digits++
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

func esc(s string) string { return template.HTMLEscapeString(s) }
