package distill

import (
	_ "embed"
	"fmt"
	"html/template"
)

//go:embed report_embed.tmpl.html
var embedSource string

// EmbedTable is what the models' vectors came to, for the report and the terminal: a model a column, a metric a row.
func (s *Summary) EmbedTable() (columns []string, rows []AnswerRow) {
	e := s.Embedding
	names := []string{"neighbours", "spearman", "cosine"}
	if e.Asked > 0 {
		names = append([]string{"ndcg@10", "recall@1", "recall@10", "mrr"}, names...)
	}
	for _, name := range names {
		if e.Student.intervals()[name] == nil {
			continue
		}
		row := AnswerRow{Name: name}
		for _, of := range []*EmbedScores{e.Teacher, e.Student, e.Baseline} {
			switch v := of.intervals()[name]; {
			case v == nil:
				row.Cells = append(row.Cells, "")
			case name == "spearman" || name == "cosine":
				row.Cells = append(row.Cells, fmt.Sprintf("%.3f (%.3f to %.3f)", v.Mean, v.CI95[0], v.CI95[1]))
			default:
				row.Cells = append(row.Cells, fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*v.Mean, 100*v.CI95[0], 100*v.CI95[1]))
			}
		}
		rows = append(rows, row)
	}
	size := func(m *ModelResult) string { return fmt.Sprintf("%.1f MB", float64(m.Bytes)/1e6) }
	speed := func(m *ModelResult) string { return fmt.Sprintf("%.1f", m.RowsPerS) }
	return []string{"teacher", "student", byTFIDF}, append(rows, AnswerRow{"size", []string{size(&s.Teacher), size(&s.Student), ""}}, AnswerRow{"rows/s", []string{speed(&s.Teacher), speed(&s.Student), ""}})
}

// EmbedColumns and EmbedRows are EmbedTable, for the page.
func (s *Summary) EmbedColumns() []string { columns, _ := s.EmbedTable(); return columns }

// EmbedRows are the rows under EmbedColumns.
func (s *Summary) EmbedRows() []AnswerRow { _, rows := s.EmbedTable(); return rows }

// embedBars draws the main metric of teacher, student and baseline.
func embedBars(s *Summary) template.HTML {
	return barChart(s.Embedding.Main+" of each model", bar{"teacher", s.Teacher.Accuracy}, bar{"student", s.Student.Accuracy}, bar{byTFIDF, s.Baseline.Accuracy})
}
