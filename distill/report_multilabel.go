package distill

import (
	_ "embed"
	"fmt"
	"html/template"

	"github.com/freehold-slm/freehold/distill/data"
)

//go:embed report_multilabel.tmpl.html
var multilabelSource string

// MultilabelTable is what the models of a task with several labels a text came to, for the report and the terminal.
func (s *Summary) MultilabelTable() (columns []string, rows []AnswerRow) {
	interval := func(i Interval) string {
		return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*i.Mean, 100*i.CI95[0], 100*i.CI95[1])
	}
	add := func(name string, m *MultilabelScores, of *ModelResult) {
		cells := []string{interval(m.MicroF1), interval(m.MacroF1), interval(m.Exact), interval(m.Hamming), fmt.Sprintf("%.3f", m.ECE.Mean), "", ""}
		if of != nil {
			cells[5], cells[6] = fmt.Sprintf("%.1f MB", float64(of.Bytes)/1e6), fmt.Sprintf("%.1f", of.RowsPerS)
		}
		rows = append(rows, AnswerRow{name, cells})
	}
	m := s.Multilabel
	add("teacher "+s.Teacher.Name, &m.Teacher, &s.Teacher)
	add("student", &m.Student, &s.Student)
	add(byWords, &m.Baseline, nil)
	add(byPairs, &m.Pairs, nil)
	return []string{"micro F1", "macro F1", "exact", "Hamming loss", "calibration error", "size", "rows/s"}, rows
}

// ModelTable is the table of models of a task that has one of its own.
func (s *Summary) ModelTable() (columns []string, rows []AnswerRow) {
	if s.Multilabel != nil {
		return s.MultilabelTable()
	}
	return s.AnswerTable()
}

// MultilabelColumns and MultilabelRows are MultilabelTable, for the page.
func (s *Summary) MultilabelColumns() []string { columns, _ := s.MultilabelTable(); return columns }

// MultilabelRows are the rows under MultilabelColumns.
func (s *Summary) MultilabelRows() []AnswerRow { _, rows := s.MultilabelTable(); return rows }

// multilabelBars draws the main metric of each model.
func multilabelBars(s *Summary) template.HTML {
	m := s.Multilabel
	return barChart("micro F1 of each model", bar{"teacher", m.Teacher.MicroF1.Mean}, bar{"student", m.Student.MicroF1.Mean}, bar{byWords, m.Baseline.MicroF1.Mean}, bar{byPairs, m.Pairs.MicroF1.Mean})
}

// goldColumns are the names that a split's rows are counted under, beside those without a label.
func (r *Recipe) goldColumns() []string {
	labels := r.tidy().Labels
	if r.several() {
		labels = append(labels[:len(labels):len(labels)], data.NoLabels)
	}
	return labels
}
