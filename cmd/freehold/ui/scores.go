package ui

import (
	"fmt"

	"github.com/freehold-slm/freehold/distill"
)

// score is a model's main score; Text "" = it was not measured.
type score struct {
	Name string
	Text string
	Of1  float64
}

// scoresOf are the main scores of teacher and student.
func scoresOf(s *distill.Summary) (teacher, student score) {
	if s == nil {
		return
	}
	one := func(m *distill.ModelResult, a *distill.AnswerScores) score {
		v := m.Accuracy
		if l := s.Multilabel; l != nil && m == &s.Teacher {
			v = l.Teacher.MicroF1.Mean
		} else if l != nil {
			v = l.Student.MicroF1.Mean
		}
		if a != nil {
			v = a.Exact.Mean
			switch of := map[string]*distill.Interval{"field_f1": a.FieldF1, "token_f1": a.TokenF1, "rouge_l": a.RougeL}[s.ScoreName()]; {
			case of != nil:
				v = of.Mean
			}
		}
		return score{s.ScoreName(), fmt.Sprintf("%.1f %%", 100*v), v}
	}
	var t, u *distill.AnswerScores
	if s.Answers != nil {
		t, u = &s.Answers.Teacher, &s.Answers.Student
	}
	return one(&s.Teacher, t), one(&s.Student, u)
}

// gates are the verdicts on a run.
type gates struct {
	Verdict string // passed, failed, none; "" = not judged yet
	Passed  int
	All     []distill.Verdict
}

func gatesOf(s *distill.Summary) (g gates) {
	if s == nil {
		return g
	}
	g.Verdict, g.All = s.Gate, s.Gates
	for _, v := range s.Gates {
		if v.Passed {
			g.Passed++
		}
	}
	return g
}

// table is a table of texts, with its rows' names in their first cell.
type table struct {
	Head []string
	Rows [][]string
}

// scoreTable are the models of a run by their scores.
func scoreTable(s *distill.Summary) (t table) {
	if s == nil {
		return t
	}
	if head, rows := s.ScoreTable(); head != nil {
		t.Head = append([]string{""}, head...)
		for _, r := range rows {
			t.Rows = append(t.Rows, append([]string{r.Name}, r.Cells...))
		}
		return t
	}
	t.Head = []string{"model", "accuracy", "95 % interval", "macro F1", "calibration error", "size", "rows/s"}
	row := func(name string, s *distill.Scores, m *distill.ModelResult) {
		cells := []string{name, fmt.Sprintf("%.1f %%", 100*s.Accuracy), fmt.Sprintf("%.1f – %.1f %%", 100*s.CI95[0], 100*s.CI95[1]), fmt.Sprintf("%.3f", s.MacroF1), fmt.Sprintf("%.3f", s.ECE), "", ""}
		if m != nil {
			cells[5], cells[6] = size(m.Bytes), fmt.Sprintf("%.1f", m.RowsPerS)
		}
		t.Rows = append(t.Rows, cells)
	}
	row("teacher "+s.Teacher.Name, &s.Teacher.Scores, &s.Teacher)
	row("student", &s.Student.Scores, &s.Student)
	row("linear, words", &s.Baseline, nil)
	row("linear, words and pairs", &s.Pairs, nil)
	return t
}
