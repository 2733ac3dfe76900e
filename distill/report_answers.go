package distill

import (
	_ "embed"
	"fmt"
	"html/template"
	"sort"
)

//go:embed report_answers.tmpl.html
var answersSource string

// FieldRow is a row of the report's table of fields.
type FieldRow struct {
	Path             string
	Values           int
	Student, Teacher Field
}

func (of *AnswerSummary) main() string { return of.Main }

func (of *AnswerSummary) table(s *Summary) (columns []string, rows []ScoreRow) {
	columns = []string{"exact"}
	add := func(name string, a *AnswerScores, m *ModelResult) {
		cells := []string{percents(a.Exact)}
		for _, v := range []struct {
			name string
			is   *Interval
		}{{"field F1", a.FieldF1}, {"token F1", a.TokenF1}, {"ROUGE-L", a.RougeL}} {
			if v.is == nil {
				continue
			}
			if rows == nil {
				columns = append(columns, v.name)
			}
			cells = append(cells, percents(*v.is))
		}
		if a.Valid != nil {
			if rows == nil {
				columns = append(columns, "valid")
			}
			cells = append(cells, fmt.Sprintf("%.1f %%", 100**a.Valid))
		}
		if rows == nil {
			columns = append(columns, "perplexity", "size", "rows/s")
		}
		if a.Perplexity > 0 {
			cells = append(cells, fmt.Sprintf("%.3g", a.Perplexity))
		} else {
			cells = append(cells, "")
		}
		rows = append(rows, ScoreRow{name, append(cells, costCells(m)...)})
	}
	add("teacher "+s.Teacher.Name, &of.Teacher, &s.Teacher)
	add("student", &of.Student, &s.Student)
	add("baseline", &of.Baseline, nil)
	return columns, rows
}

// FieldRows lists the fields of a task with a schema, the most frequent first.
func (s *Summary) FieldRows() (rows []FieldRow) {
	a := s.Answers
	for _, path := range sortedKeys(a.Student.Fields) {
		if f := a.Student.Fields[path]; path != "" {
			rows = append(rows, FieldRow{path, f.Right + f.Missing, f, a.Teacher.Fields[path]})
		}
	}
	sort.SliceStable(rows, func(i, k int) bool { return rows[i].Values > rows[k].Values })
	return rows
}

func (of *AnswerSummary) bars(*Summary) template.HTML {
	value := func(a *AnswerScores) float64 { v, _ := a.metric(of.Main); return v }
	return barChart(of.Main+" of each model", bar{"teacher", value(&of.Teacher)}, bar{"student", value(&of.Student)}, bar{byLikest, value(&of.Baseline)})
}
