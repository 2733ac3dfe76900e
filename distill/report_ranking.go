package distill

import (
	_ "embed"
	"html/template"
)

//go:embed report_ranking.tmpl.html
var rankingSource string

func (of *RankSummary) main() string { return of.Main }

func (of *RankSummary) table(s *Summary) (columns []string, rows []ScoreRow) {
	add := func(name string, r *RankScores, m *ModelResult) {
		var cells []string
		for _, metric := range []struct{ name, head string }{{"ndcg@10", "ndcg@10"}, {"mrr@10", "mrr@10"}, {"map", "map"}, {"recall@10", "recall@10"}, {"kendall_tau", "tau to the teacher"}, {"agreement", "agreement"}} {
			if of.Judged == 0 && metric.head == metric.name && metric.name != "agreement" {
				continue
			}
			if rows == nil {
				columns = append(columns, metric.head)
			}
			cell := ""
			if v, ok := r.metric(metric.name); ok {
				cell = decimals(v)
			}
			cells = append(cells, cell)
		}
		if rows == nil {
			columns = append(columns, "size", "rows/s")
		}
		rows = append(rows, ScoreRow{name, append(cells, costCells(m)...)})
	}
	add("teacher "+s.Teacher.Name, &of.Teacher, &s.Teacher)
	add("student", &of.Student, &s.Student)
	add("baseline, "+byBM25, &of.Baseline, nil)
	return columns, rows
}

func (of *RankSummary) bars(s *Summary) template.HTML {
	bars := []bar{{"student", s.Student.Accuracy}, {byBM25, s.Baseline.Accuracy}}
	if of.Judged > 0 {
		bars = append([]bar{{"teacher", s.Teacher.Accuracy}}, bars...)
	}
	return barChart(of.Main+" of each model", bars...)
}
