package distill

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/engine"
)

// rationaleLine is one row of a shard of rationales.
type rationaleLine struct {
	ID        string `json:"id"`
	Rationale string `json:"rationale"`
	Tokens    int    `json:"tokens"`        // that the teacher wrote
	Cut       bool   `json:"cut,omitempty"` // it did not end within train.rationale.max_tokens; it is learnt as far as it goes
}

func (l rationaleLine) empty() bool { return strings.TrimSpace(l.Rationale) == "" }

const rationaleSchema = "freehold/rationales/1"

// rationalePath is beside the shard with the answers that it gives the reasons of, and has the same number.
func rationalePath(dir string, s int) string {
	return filepath.Join(dir, fmt.Sprintf("rationale-%05d.jsonl", s))
}

// reasons lists the rows of a shard that the teacher gives reasons for: training rows whose answer can be learnt.
func (w *answerWork) reasons(rows []Row, lines []answerLine) (at []int) {
	for i, r := range rows {
		if w.explains() && w.learnt[r.ID] && !lines[i].Cut && lines[i].Bad == "" {
			at = append(at, i)
		}
	}
	return at
}

// rationaleKey identifies the question that a shard of rationales answers.
func (w *answerWork) rationaleKey(rows []Row, lines []answerLine, at []int) string {
	r := w.j.recipe
	parts := []string{rationaleSchema, w.j.teacher.sha256, r.Train.Rationale.Prompt, r.Task.System, strconv.Itoa(r.Train.Rationale.MaxTokens), r.Numeric}
	for _, i := range at {
		parts = append(parts, rows[i].ID, rows[i].Text, lines[i].Answer)
	}
	return hashOf(parts...)
}

// findRationales reads the rationales of shard s of this run (own) or of another that asked the same; none of a shard that needs none. The error
// is about this run's shard.
func (w *answerWork) findRationales(s int, rows []Row, lines []answerLine) (got []rationaleLine, own bool, err error) {
	at := w.reasons(rows, lines)
	if at == nil {
		return nil, true, nil
	}
	key := w.rationaleKey(rows, lines, at)
	return ofAnyRun(w.j, labelsDir, w.folder(), func(dir string) ([]rationaleLine, error) { return readRationales(dir, s, key, rows, at) })
}

func readRationales(dir string, s int, key string, rows []Row, at []int) ([]rationaleLine, error) {
	path := rationalePath(dir, s)
	_, got, err := readLines[rationaleLine](path, rationaleSchema, key, len(at))
	if err != nil {
		return nil, err
	}
	for i, k := range at {
		if got[i].ID != rows[k].ID {
			return nil, fmt.Errorf("%s: line %d is of row %.40q, want %.40q", path, i+2, got[i].ID, rows[k].ID)
		}
	}
	return got, nil
}

// keepRationales takes note of a shard's rationales; one of another run is written beside this run's answers.
func (w *answerWork) keepRationales(s int, rows []Row, lines []answerLine, got []rationaleLine, write bool) error {
	if write && got != nil {
		h := shardHeader{Schema: rationaleSchema, Key: w.rationaleKey(rows, lines, w.reasons(rows, lines))}
		if err := writeLines(w.j, rationalePath(w.folder(), s), h, got); err != nil {
			return err
		}
	}
	for _, l := range got {
		w.rationales[l.ID] = l
	}
	return nil
}

// explain has the teacher write the rationales of a shard, the likeliest token each time.
func (w *answerWork) explain(ctx context.Context, m *engine.Model, rows []Row, lines []answerLine, progress func(done int)) ([]rationaleLine, error) {
	at, q := w.reasons(rows, lines), w.j.recipe.Train.Rationale
	if at == nil {
		return nil, nil
	}
	a, err := m.NewAnswerer(q.asks(w.j.recipe.Task.System))
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(at))
	for i, k := range at {
		texts[i] = q.fill(rows[k].Text, lines[k].Answer)
		if n := len(a.Tokens(nil, texts[i])); n+q.MaxTokens > m.Context() {
			return nil, &DataError{File: rows[k].File, Line: rows[k].Line, Msg: fmt.Sprintf("the teacher's prompt for the rationale has %d tokens and a rationale up to %d (train.rationale.max_tokens), its context is %d", n, q.MaxTokens, m.Context()),
				Fix: "shorten the row or lower train.rationale.max_tokens"}
		}
	}
	got := make([]rationaleLine, len(at))
	err = a.Answers(ctx, texts, engine.Gen{}, func(i int, said engine.Answer) error {
		got[i] = rationaleLine{ID: rows[at[i]].ID, Rationale: strings.TrimSpace(said.Text), Tokens: len(said.Tokens), Cut: said.Reason == engine.ReasonLength}
		if got[i].Cut { // perhaps within a character
			got[i].Rationale = strings.TrimRight(strings.ToValidUTF8(got[i].Rationale, ""), string(utf8.RuneError))
		}
		progress(at[i])
		return nil
	})
	return got, err
}
