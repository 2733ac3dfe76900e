package distill

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

//go:embed report_rationales.tmpl.html
var rationalesSource string

// RationaleSummary is what summary.json holds of the teacher's rationales.
type RationaleSummary struct {
	Rows   int     `json:"rows"`   // training rows that the teacher was asked about
	Cut    int     `json:"cut"`    // rationales that did not end within train.rationale.max_tokens
	Empty  int     `json:"empty"`  // left out
	Tokens int     `json:"tokens"` // that the teacher wrote
	Weight float64 `json:"weight"`

	Learnt      int `json:"learnt"`       // rows whose rationale the student learnt
	TrainTokens int `json:"train_tokens"` // that it read for them, prompts included
	AllTokens   int `json:"all_tokens"`   // that it read in the whole training
}

// reasoned counts the rationales that there are; nil = the teacher writes none.
func (w *answerWork) reasoned() *RationaleSummary {
	if !w.explains() {
		return nil
	}
	s := &RationaleSummary{Weight: w.j.recipe.Train.Rationale.Weight}
	for _, l := range w.rationales {
		s.Rows++
		if s.Tokens += l.Tokens; l.empty() {
			s.Empty++
		} else if l.Cut {
			s.Cut++
		}
	}
	return s
}

// learntReasons is reasoned with what training made of them.
func (w *answerWork) learntReasons() (*RationaleSummary, error) {
	s := w.reasoned()
	if s == nil || s.Weight == 0 {
		return s, nil
	}
	for _, r := range w.j.learns().Train {
		if l, ok := w.rationales[r.ID]; ok && !l.empty() {
			s.Learnt++
		}
	}
	steps, err := readMetrics(filepath.Join(w.j.dir, "metrics.jsonl"))
	for _, m := range steps {
		if s.AllTokens += m.Tokens; m.Rationale != nil {
			s.TrainTokens += m.Rationale.Tokens
		}
	}
	return s, err
}

// Says is the figure for people.
func (s *RationaleSummary) Says() string {
	text := fmt.Sprintf("rationales of %d rows: the teacher wrote %d tokens", s.Rows, s.Tokens)
	if s.Cut > 0 {
		text += fmt.Sprintf(", %d are cut and learnt as far as they go", s.Cut)
	}
	if s.Empty > 0 {
		text += fmt.Sprintf(", %d are empty and left out", s.Empty)
	}
	if s.Weight == 0 {
		return text + "; at weight 0 nothing was learnt of them"
	}
	if s.AllTokens > 0 {
		text += fmt.Sprintf("; the student learnt %d of them at weight %v, in %d of the %d tokens that it read (%.0f %%)", s.Learnt, s.Weight, s.TrainTokens, s.AllTokens, 100*float64(s.TrainTokens)/float64(s.AllTokens))
	}
	return text
}

// RationaleRow is a row of the report's table of rationales.
type RationaleRow struct {
	ID, Answer, Rationale string
	Gold, Cut, Empty      bool
}

// shownRationales are the first few in the order of the rows.
func (j *Job) shownRationales() (rows []RationaleRow) {
	w, ok := j.work.(*answerWork)
	if !ok || !w.explains() {
		return nil
	}
	const most = 8
	for _, r := range j.learns().Train {
		if l, ok := w.rationales[r.ID]; ok && len(rows) < most {
			a := w.answers[r.ID]
			rows = append(rows, RationaleRow{r.ID, shown(a.Answer), shown(l.Rationale), a.Gold, l.Cut, l.empty()})
		}
	}
	return rows
}

// shown is a model's text for a page, which may not hold control characters.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
