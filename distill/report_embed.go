package distill

import (
	_ "embed"
	"html/template"
)

//go:embed report_embed.tmpl.html
var embedSource string

func (of *EmbedSummary) main() string { return of.Main }

func (of *EmbedSummary) table(s *Summary) (columns []string, rows []ScoreRow) {
	names := []string{"cosine", "neighbours", "spearman"}
	if of.Asked > 0 {
		names = []string{"ndcg@10", "recall@1", "recall@10", "mrr", "neighbours", "spearman", "cosine"}
	}
	for _, m := range []struct {
		name   string
		of     *EmbedScores
		result *ModelResult
	}{{"teacher " + s.Teacher.Name, of.Teacher, &s.Teacher}, {"student", of.Student, &s.Student}, {"baseline (TF-IDF)", of.Baseline, nil}} {
		row := ScoreRow{Name: m.name}
		for _, name := range names {
			v, cell := m.of.intervals()[name], ""
			switch {
			case v != nil && name == "spearman" || v != nil && name == "cosine":
				cell = decimals(*v)
			case v != nil:
				cell = percents(*v)
			}
			row.Cells = append(row.Cells, cell)
		}
		row.Cells = append(row.Cells, costCells(m.result)...)
		rows = append(rows, row)
	}
	return append(names, "size", "rows/s"), rows
}

func (of *EmbedSummary) bars(s *Summary) template.HTML {
	return barChart(of.Main+" of each model", bar{"teacher", s.Teacher.Accuracy}, bar{"student", s.Student.Accuracy}, bar{byTFIDF, s.Baseline.Accuracy})
}
