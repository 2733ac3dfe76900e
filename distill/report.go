package distill

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
)

//go:embed report.tmpl.html
var reportSource string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"pct":    func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
	"num":    func(x float64) string { return fmt.Sprintf("%.4g", x) },
	"mb":     func(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) },
	"amount": amount,
	"secs":   func(x float64) string { return fmt.Sprintf("%.0f s", x) },
}).Parse(reportSource + reliabilitySource + answersSource + ladderSource + cascadeSource + slicesSource + costSource + confidenceSource + augmentSource + samplesSource + ensembleSource + remoteSource + multilabelSource + rankingSource + embedSource + rationalesSource))

// reportData is what the page shows.
type reportData struct {
	*Summary
	Recipe   *Recipe
	Teacher_ source
	Others   []source // further teachers
	Base     source
	Data     *data.Set
	Source   string
	Key      string
	Loss     template.HTML
	LossRows []metric
	Matrix   template.HTML

	Reliability template.HTML
	Bars        template.HTML
	Rungs       template.HTML
	Curve       template.HTML
	Timings     []timing
	Golds       []string       // columns of the table of data
	Made_       []Row          // some that a model made
	Maker       *source        // of these, where it is not the teacher
	Rationales  []RationaleRow // some of the teacher's
}

type timing struct {
	Stage   string
	Seconds float64
}

// report renders report.html: one file without outside requests or scripts.
func (j *Job) report(sum *Summary) ([]byte, error) {
	metrics, err := readMetrics(filepath.Join(j.dir, "metrics.jsonl"))
	if err != nil {
		return nil, err
	}
	d := reportData{Summary: sum, Recipe: j.recipe, Teacher_: j.teacher, Others: j.teachers()[1:], Base: j.base, Data: j.learns(), Source: j.datasetName(), Key: j.key,
		Loss: lossChart(metrics), Golds: j.recipe.goldColumns(), Made_: j.shownMade(), Rationales: j.shownRationales()}
	if j.recipe.augments() && j.maker.sha256 != j.teacher.sha256 {
		d.Maker = &j.maker
	}
	if own := sum.own(); own != nil {
		d.Bars = own.bars(sum)
		if sum.Multilabel != nil {
			d.Reliability = reliabilityChart(sum.Student.Calibration, nil)
		}
	} else {
		d.Matrix, d.Bars = confusionChart(sum.Student.Confusion, j.recipe.Task.Labels), accuracyBars(sum)
		var before []CalibrationBin
		if sum.Student.Raw != nil {
			before = sum.Student.Raw.Calibration
		}
		d.Reliability = reliabilityChart(sum.Student.Calibration, before)
	}
	if sum.Ladder != nil {
		d.Rungs = rungsChart(sum)
	}
	if sum.Cascade != nil {
		d.Curve = cascadeChart(sum)
	}
	for i := 0; i < len(metrics); i += max(1, len(metrics)/20) {
		d.LossRows = append(d.LossRows, metrics[i])
	}
	for _, s := range StageNames() {
		if v, ok := sum.Seconds[s]; ok {
			d.Timings = append(d.Timings, timing{s, v})
		}
	}
	var b bytes.Buffer
	err = reportTemplate.Execute(&b, d)
	return b.Bytes(), err
}

func readMetrics(path string) ([]metric, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []metric
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		var m metric
		if err := json.Unmarshal(sc.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("%s: %v", path, err)
		}
		out = append(out, m)
	}
	return out, sc.Err()
}

// lossChart draws the loss of every step, thin, and its running mean over 20 steps; steps on answers of the student's own apart.
func lossChart(ms []metric) template.HTML {
	const w, h, left, bottom = 640.0, 220.0, 48.0, 28.0
	if len(ms) == 0 {
		return ""
	}
	top := 0.0
	for _, m := range ms {
		if top = max(top, m.Loss); m.Rationale != nil {
			top = max(top, m.Rationale.Loss)
		}
	}
	if top == 0 {
		top = 1
	}
	x := func(step int) float64 {
		return left + (w-left-8)*float64(step-ms[0].Step)/float64(max(1, ms[len(ms)-1].Step-ms[0].Step))
	}
	y := func(v float64) float64 { return 8 + (h-bottom-8)*(1-v/top) }
	line := func(ms []metric, class string) string {
		var raw, mean strings.Builder
		for i, m := range ms {
			fmt.Fprintf(&raw, "%.1f,%.1f ", x(m.Step), y(m.Loss))
			lo, sum := max(0, i-19), 0.0
			for _, o := range ms[lo : i+1] {
				sum += o.Loss
			}
			fmt.Fprintf(&mean, "%.1f,%.1f ", x(m.Step), y(sum/float64(i+1-lo)))
		}
		return fmt.Sprintf(`<polyline points="%s" class="thin%s"/><polyline points="%s" class="line%s"/>`, raw.String(), class, mean.String(), class)
	}
	var given, own, why []metric
	for _, m := range ms {
		if m.OnPolicy != nil {
			own = append(own, m)
		} else {
			given = append(given, m)
		}
		if r := m.Rationale; r != nil {
			why = append(why, metric{Step: m.Step, Loss: r.Loss})
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="training loss by step"><line x1="%g" y1="%g" x2="%g" y2="%g" class="axis"/>`, w, h, left, h-bottom, w-8, h-bottom)
	for i := 0; i <= 4; i++ {
		v := top * float64(i) / 4
		fmt.Fprintf(&b, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" class="grid"/><text x="%g" y="%.1f" text-anchor="end">%.2f</text>`, left, y(v), w-8, y(v), left-6, y(v)+4, v)
	}
	b.WriteString(line(given, ""))
	if own != nil {
		b.WriteString(line(own, " own"))
		fmt.Fprintf(&b, `<text x="%g" y="20" text-anchor="end">dashed: on the student's own answers</text>`, w-8)
	}
	if why != nil {
		b.WriteString(line(why, " own"))
		fmt.Fprintf(&b, `<text x="%g" y="34" text-anchor="end">dashed: of the rationales</text>`, w-8)
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g">step 0</text><text x="%g" y="%g" text-anchor="end">step %d</text></svg>`, left, h-8, w-8, h-8, ms[len(ms)-1].Step)
	return template.HTML(b.String())
}

// confusionChart draws gold labels as rows and predicted ones as columns, shaded by the row's share.
func confusionChart(c [][]int, labels []string) template.HTML {
	const cell, left, top = 96.0, 130.0, 40.0
	n := float64(len(c))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="confusion matrix" style="max-width:%gpx">`, left+cell*n+8, top+cell*n+8, left+cell*n+8)
	for i, row := range c {
		total := 0
		for _, v := range row {
			total += v
		}
		label := template.HTMLEscapeString(labels[i])
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="end">%s</text><text x="%g" y="%g" text-anchor="middle">%s</text>`,
			left-8, top+cell*(float64(i)+0.5)+4, label, left+cell*(float64(i)+0.5), top-10, label)
		for k, v := range row {
			share := float64(v) / float64(max(1, total))
			fmt.Fprintf(&b, `<rect x="%g" y="%g" width="%g" height="%g" class="cell" fill-opacity="%.2f"/><text x="%g" y="%g" text-anchor="middle">%d (%.0f %%)</text>`,
				left+cell*float64(k), top+cell*float64(i), cell-3, cell-3, share, left+cell*(float64(k)+0.5), top+cell*(float64(i)+0.5)+4, v, 100*share)
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// accuracyBars draws the accuracy of teacher, student and baseline.
func accuracyBars(s *Summary) template.HTML {
	return barChart("accuracy of each model", bar{"teacher", s.Teacher.Accuracy}, bar{"student", s.Student.Accuracy},
		bar{byWords, s.Baseline.Accuracy}, bar{byPairs, s.Pairs.Accuracy})
}

// bar is one of a chart's, from 0 to 1.
type bar struct {
	name string
	of1  float64
}

func barChart(label string, bars ...bar) template.HTML {
	const w, row, left = 640.0, 30.0, 150.0
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, w, row*float64(len(bars)), template.HTMLEscapeString(label))
	for i, v := range bars {
		y := row * float64(i)
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="end">%s</text><rect x="%g" y="%g" width="%.1f" height="%g" class="bar"/><text x="%.1f" y="%g">%.1f %%</text>`,
			left-8, y+19, template.HTMLEscapeString(v.name), left, y+5, (w-left-70)*v.of1, row-10, left+(w-left-70)*v.of1+6, y+19, 100*v.of1)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
