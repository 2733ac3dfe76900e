package distill

import (
	"fmt"
	"html/template"
)

// taskScores is what a summary holds of the models of a task that gives no single label a text. A task has its own in a file report_NAME.go, with the
// template of its part of the report.
type taskScores interface {
	main() string // the metric that retention, the baseline's distance and the quantised files are measured by
	table(s *Summary) (columns []string, rows []ScoreRow)
	bars(s *Summary) template.HTML // the main metric of each model
}

// ScoreRow is one model's line of a table of scores.
type ScoreRow struct {
	Name  string
	Cells []string
}

// own are the scores of the task's own kind; nil = the task gives one label a text.
func (s *Summary) own() taskScores {
	switch {
	case s.Answers != nil:
		return s.Answers
	case s.Multilabel != nil:
		return s.Multilabel
	case s.Ranking != nil:
		return s.Ranking
	case s.Embedding != nil:
		return s.Embedding
	}
	return nil
}

// ScoreTable is what the models came to, for the report and the terminal, in a task that gives no single label a text; nil = it does.
func (s *Summary) ScoreTable() (columns []string, rows []ScoreRow) {
	if own := s.own(); own != nil {
		return own.table(s)
	}
	return nil, nil
}

// ScoreColumns and ScoreRows are ScoreTable, for the page.
func (s *Summary) ScoreColumns() []string { columns, _ := s.ScoreTable(); return columns }

// ScoreRows are the rows under ScoreColumns.
func (s *Summary) ScoreRows() []ScoreRow { _, rows := s.ScoreTable(); return rows }

// metric is the name of the metric that a rung's score is.
func (s *Summary) metric() string {
	if own := s.own(); own != nil {
		return own.main()
	}
	return "accuracy"
}

// percents is a mean with its interval.
func percents(i Interval) string {
	return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*i.Mean, 100*i.CI95[0], 100*i.CI95[1])
}

// decimals is percents of a metric that is no share.
func decimals(i Interval) string {
	return fmt.Sprintf("%.3f (%.3f to %.3f)", i.Mean, i.CI95[0], i.CI95[1])
}

// costCells are a model's size and rows a second; of none they are empty.
func costCells(m *ModelResult) []string {
	switch {
	case m == nil:
		return []string{"", ""}
	case m.Bytes == 0: // a remote teacher
		return []string{"remote", ""}
	}
	return []string{fmt.Sprintf("%.1f MB", float64(m.Bytes)/1e6), fmt.Sprintf("%.1f", m.RowsPerS)}
}
