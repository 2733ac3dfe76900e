package distill

import (
	_ "embed"
	"fmt"
	"html/template"
)

//go:embed report_embed.tmpl.html
var embedSource string

// EmbedTable is what the models' vectors came to, for the report and the terminal.
func (s *Summary) EmbedTable() (columns []string, rows []AnswerRow) {
	e := s.Embedding
	names := []string{"cosine", "neighbours", "spearman"}
	if e.Asked > 0 {
		names = []string{"ndcg@10", "recall@1", "recall@10", "mrr", "neighbours", "spearman", "cosine"}
	}
	for _, m := range []struct {
		name   string
		of     *EmbedScores
		result *ModelResult
	}{{"teacher " + s.Teacher.Name, e.Teacher, &s.Teacher}, {"student", e.Student, &s.Student}, {"baseline (TF-IDF)", e.Baseline, nil}} {
		row := AnswerRow{Name: m.name}
		for _, name := range names {
			v, cell := m.of.intervals()[name], ""
			switch {
			case v != nil && name == "spearman" || v != nil && name == "cosine":
				cell = fmt.Sprintf("%.3f (%.3f to %.3f)", v.Mean, v.CI95[0], v.CI95[1])
			case v != nil:
				cell = fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*v.Mean, 100*v.CI95[0], 100*v.CI95[1])
			}
			row.Cells = append(row.Cells, cell)
		}
		if m.result != nil {
			row.Cells = append(row.Cells, fmt.Sprintf("%.1f MB", float64(m.result.Bytes)/1e6), fmt.Sprintf("%.1f", m.result.RowsPerS))
		} else {
			row.Cells = append(row.Cells, "", "")
		}
		rows = append(rows, row)
	}
	return append(names, "size", "rows/s"), rows
}

// EmbedColumns and EmbedRows are EmbedTable, for the page.
func (s *Summary) EmbedColumns() []string { columns, _ := s.EmbedTable(); return columns }

// EmbedRows are the rows under EmbedColumns.
func (s *Summary) EmbedRows() []AnswerRow { _, rows := s.EmbedTable(); return rows }

// embedBars draws the main metric of teacher, student and baseline.
func embedBars(s *Summary) template.HTML {
	return barChart(s.Embedding.Main+" of each model", bar{"teacher", s.Teacher.Accuracy}, bar{"student", s.Student.Accuracy}, bar{byTFIDF, s.Baseline.Accuracy})
}
