package distill

import (
	_ "embed"
	"fmt"
	"html/template"
	"sort"
)

//go:embed report_answers.tmpl.html
var answersSource string

// AnswerRow is a row of the report's table of answers.
type AnswerRow struct {
	Name  string
	Cells []string
}

// FieldRow is a row of the report's table of fields.
type FieldRow struct {
	Path             string
	Values           int
	Student, Teacher Field
}

// AnswerTable is what a model's answers, or rankings, came to, for the report and the terminal.
func (s *Summary) AnswerTable() (columns []string, rows []AnswerRow) {
	if s.Ranking != nil {
		return s.rankTable()
	}
	columns = []string{"exact"}
	interval := func(i Interval) string {
		return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*i.Mean, 100*i.CI95[0], 100*i.CI95[1])
	}
	add := func(name string, a *AnswerScores, m *ModelResult) {
		cells := []string{interval(a.Exact)}
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
			cells = append(cells, interval(*v.is))
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
		if m != nil && m.Bytes == 0 { // a remote teacher
			cells = append(cells, "remote", "")
		} else if m != nil {
			cells = append(cells, fmt.Sprintf("%.1f MB", float64(m.Bytes)/1e6), fmt.Sprintf("%.1f", m.RowsPerS))
		} else {
			cells = append(cells, "", "")
		}
		rows = append(rows, AnswerRow{name, cells})
	}
	add("teacher "+s.Teacher.Name, &s.Answers.Teacher, &s.Teacher)
	add("student", &s.Answers.Student, &s.Student)
	add("baseline", &s.Answers.Baseline, nil)
	return columns, rows
}

// AnswerColumns and AnswerRows are AnswerTable, for the page.
func (s *Summary) AnswerColumns() []string { columns, _ := s.AnswerTable(); return columns }

// AnswerRows are the rows under AnswerColumns.
func (s *Summary) AnswerRows() []AnswerRow { _, rows := s.AnswerTable(); return rows }

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

// answerBars draws the main metric of teacher, student and baseline.
func answerBars(s *Summary) template.HTML {
	of := func(a *AnswerScores) float64 { v, _ := a.metric(s.Answers.Main); return v }
	return barChart(s.Answers.Main+" of each model", bar{"teacher", of(&s.Answers.Teacher)}, bar{"student", of(&s.Answers.Student)}, bar{byLikest, of(&s.Answers.Baseline)})
}
