package distill

import (
	_ "embed"
	"html/template"
)

//go:embed report_embed.tmpl.html
var embedSource string

func (of *EmbedSummary) main() string { return of.Main }

// table has a model a column, for there are many metrics.
func (of *EmbedSummary) table(s *Summary) (columns []string, rows []ScoreRow) {
	names := []string{"neighbours", "spearman", "cosine"}
	if of.Asked > 0 {
		names = append([]string{"ndcg@10", "recall@1", "recall@10", "mrr"}, names...)
	}
	for _, name := range names {
		if of.Student.intervals()[name] == nil {
			continue
		}
		row := ScoreRow{Name: name}
		for _, m := range []*EmbedScores{of.Teacher, of.Student, of.Baseline} {
			switch v := m.intervals()[name]; {
			case v == nil:
				row.Cells = append(row.Cells, "")
			case name == "spearman" || name == "cosine":
				row.Cells = append(row.Cells, decimals(*v))
			default:
				row.Cells = append(row.Cells, percents(*v))
			}
		}
		rows = append(rows, row)
	}
	teacher, student := costCells(&s.Teacher), costCells(&s.Student)
	return []string{"teacher", "student", byTFIDF}, append(rows, ScoreRow{"size", []string{teacher[0], student[0], ""}}, ScoreRow{"rows/s", []string{teacher[1], student[1], ""}})
}

func (of *EmbedSummary) bars(s *Summary) template.HTML {
	return barChart(of.Main+" of each model", bar{"teacher", s.Teacher.Accuracy}, bar{"student", s.Student.Accuracy}, bar{byTFIDF, s.Baseline.Accuracy})
}
