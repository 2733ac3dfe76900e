package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// point is a point of a curve.
type point struct{ x, y float64 }

// curve is a line of a chart.
type curve struct {
	name   string
	class  string // of its line: line, thin, own, dots; after it the run's number where two are compared
	points []point
}

// curvesOf are the charts of a run; those without points are left out. With log, losses and norms have a logarithmic axis.
func curvesOf(r *run, suffix string, log bool) []chart {
	name := func(s string) string {
		if suffix == "" {
			return s
		}
		return r.Name + ": " + s
	}
	lines, every, _ := r.logs.metrics.points()
	loss := "loss"
	own := "on answers of the student's own"
	if r.Recipe != nil {
		loss = r.Recipe.Train.Loss
		if o := r.Recipe.Train.OnPolicy.Loss; o != "" {
			own += ", " + o
		}
	}
	var given, onPolicy, why, valid, rate, norm []point
	for _, m := range lines {
		x := float64(m.Step)
		if m.OnPolicy != nil {
			onPolicy = append(onPolicy, point{x, m.Loss})
		} else {
			given = append(given, point{x, m.Loss})
		}
		if m.Rationale != nil {
			why = append(why, point{x, m.Rationale.Loss})
		}
		if m.Valid != 0 {
			valid = append(valid, point{x, m.Valid})
		}
		rate, norm = append(rate, point{x, m.LR}), append(norm, point{x, m.GradNorm})
	}
	events, _, _ := r.logs.events.points()
	var memory []point
	speed := map[string][]point{}
	var began time.Time
	for _, e := range events {
		if began.IsZero() {
			began = e.Time
		}
		x := e.Time.Sub(began).Seconds()
		if e.Memory > 0 {
			memory = append(memory, point{x, float64(e.Memory) / 1e6})
		}
		if e.Kind == "progress" && e.Rate > 0 {
			unit := "rows/s"
			if e.Unit == "tok/s" {
				unit = e.Unit
			}
			speed[unit] = append(speed[unit], point{x, e.Rate})
		}
	}
	thinnedNote := ""
	if every > 1 {
		thinnedNote = fmt.Sprintf("Every %dth step is drawn.", every)
	}
	smooth := curve{name("mean of 20 steps"), "line" + suffix, running20(given)}
	all := []chart{
		{id: "loss", title: "Training loss", x: "step", note: thinnedNote, curves: []curve{
			{name(loss), "thin" + suffix, given}, smooth, {name(own), "own" + suffix, onPolicy}, {name("rationales, ce"), "own" + suffix, why}, {name("validation rows"), "dots" + suffix, valid}}},
		{id: "tokens", title: "Training speed", unit: "tokens/s", x: "time", curves: []curve{{name("tokens a second"), "line" + suffix, speed["tok/s"]}}},
		{id: "memory", title: "Memory of the process", unit: "MB", x: "time", zero: true, curves: []curve{{name("resident"), "line" + suffix, memory}}},
		{id: "rows", title: "Labelling speed", unit: "rows/s", x: "time", curves: []curve{{name("rows a second"), "line" + suffix, speed["rows/s"]}}},
		{id: "rate", title: "Learning rate", x: "step", zero: true, note: thinnedNote, curves: []curve{{name("learning rate"), "line" + suffix, rate}}},
		{id: "norm", title: "Gradient norm", x: "step", note: thinnedNote, curves: []curve{{name("norm"), "line" + suffix, norm}}},
	}
	for i := range all {
		if c := &all[i]; log && (c.id == "loss" || c.id == "norm") {
			c.log = true
			for k := range c.curves {
				c.curves[k].points = slices.DeleteFunc(c.curves[k].points, func(p point) bool { return !(p.y > 0) })
			}
		}
	}
	return withPoints(all)
}

// withPoints leaves out curves and charts in which there is nothing.
func withPoints(all []chart) (some []chart) {
	for _, c := range all {
		var curves []curve
		for _, k := range c.curves {
			if k.points = finitePoints(k.points); len(k.points) > 0 {
				curves = append(curves, k)
			}
		}
		if c.curves = curves; curves == nil || c.x == "time" && len(curves[0].points) < 2 { // one moment tells nothing
			continue
		}
		some = append(some, c)
	}
	return some
}

// overlay puts the charts of two runs over each other.
func overlay(a, b []chart) (all []chart) {
	for _, c := range a {
		for _, o := range b {
			if o.id == c.id {
				c.curves = append(c.curves, o.curves...)
				if o.note != c.note {
					c.note = strings.TrimSpace(c.note + " " + o.note)
				}
			}
		}
		all = append(all, c)
	}
	for _, o := range b {
		if !hasChart(a, o.id) {
			all = append(all, o)
		}
	}
	return all
}

func hasChart(all []chart, id string) bool {
	for _, c := range all {
		if c.id == id {
			return true
		}
	}
	return false
}

// running20 is the mean of each point and the 19 before it; none of a curve that is shorter.
func running20(ps []point) (out []point) {
	if len(ps) < 20 {
		return nil
	}
	for i, p := range ps {
		lo, sum := max(0, i-19), 0.0
		for _, o := range ps[lo : i+1] {
			sum += o.y
		}
		out = append(out, point{p.x, sum / float64(i+1-lo)})
	}
	return out
}
