package distill

import (
	_ "embed"
	"fmt"
	"html/template"
)

//go:embed report_ranking.tmpl.html
var rankingSource string

// rankTable is AnswerTable of a reranker.
func (s *Summary) rankTable() (columns []string, rows []AnswerRow) {
	add := func(name string, r *RankScores, m *ModelResult) {
		var cells []string
		for _, metric := range []struct{ name, head string }{{"ndcg@10", "ndcg@10"}, {"mrr@10", "mrr@10"}, {"map", "map"}, {"recall@10", "recall@10"}, {"kendall_tau", "tau to the teacher"}, {"agreement", "agreement"}} {
			if s.Ranking.Judged == 0 && metric.head == metric.name && metric.name != "agreement" {
				continue
			}
			if rows == nil {
				columns = append(columns, metric.head)
			}
			cell := ""
			if v, ok := r.metric(metric.name); ok {
				cell = fmt.Sprintf("%.3f (%.3f to %.3f)", v.Mean, v.CI95[0], v.CI95[1])
			}
			cells = append(cells, cell)
		}
		if rows == nil {
			columns = append(columns, "size", "rows/s")
		}
		if m != nil {
			cells = append(cells, fmt.Sprintf("%.1f MB", float64(m.Bytes)/1e6), fmt.Sprintf("%.1f", m.RowsPerS))
		} else {
			cells = append(cells, "", "")
		}
		rows = append(rows, AnswerRow{name, cells})
	}
	add("teacher "+s.Teacher.Name, &s.Ranking.Teacher, &s.Teacher)
	add("student", &s.Ranking.Student, &s.Student)
	add("baseline, "+byBM25, &s.Ranking.Baseline, nil)
	return columns, rows
}

// rankBars draws the main metric of teacher, student and baseline.
func rankBars(s *Summary) template.HTML {
	bars := []bar{{"student", s.Student.Accuracy}, {byBM25, s.Baseline.Accuracy}}
	if s.Ranking.Judged > 0 {
		bars = append([]bar{{"teacher", s.Teacher.Accuracy}}, bars...)
	}
	return barChart(s.Ranking.Main+" of each model", bars...)
}
