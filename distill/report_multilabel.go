package distill

import (
	_ "embed"
	"fmt"
	"html/template"

	"github.com/freehold-slm/freehold/distill/data"
)

//go:embed report_multilabel.tmpl.html
var multilabelSource string

func (of *MultilabelSummary) main() string { return multilabelMain }

func (of *MultilabelSummary) table(s *Summary) (columns []string, rows []ScoreRow) {
	add := func(name string, m *MultilabelScores, model *ModelResult) {
		cells := []string{percents(m.MicroF1), percents(m.MacroF1), percents(m.Exact), percents(m.Hamming), fmt.Sprintf("%.3f", m.ECE.Mean)}
		rows = append(rows, ScoreRow{name, append(cells, costCells(model)...)})
	}
	add("teacher "+s.Teacher.Name, &of.Teacher, &s.Teacher)
	add("student", &of.Student, &s.Student)
	add(byWords, &of.Baseline, nil)
	add(byPairs, &of.Pairs, nil)
	return []string{"micro F1", "macro F1", "exact", "Hamming loss", "calibration error", "size", "rows/s"}, rows
}

func (of *MultilabelSummary) bars(*Summary) template.HTML {
	return barChart("micro F1 of each model", bar{"teacher", of.Teacher.MicroF1.Mean}, bar{"student", of.Student.MicroF1.Mean}, bar{byWords, of.Baseline.MicroF1.Mean}, bar{byPairs, of.Pairs.MicroF1.Mean})
}

// goldColumns are the names that a split's rows are counted under, beside those without a label.
func (r *Recipe) goldColumns() []string {
	labels := r.tidy().Labels
	if r.several() {
		labels = append(labels[:len(labels):len(labels)], data.NoLabels)
	}
	return labels
}
