package distill

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
)

// RunRow is a test row of a run, with what student and teacher said of it when they were measured.
type RunRow struct {
	ID, Gold         string
	Text             string // "" until FillTexts, and where the data does not hold the row, as it was, any more
	Student, Teacher Said

	hash string
}

// Said is a model's answer to a row.
type Said struct {
	Answer string    // the likeliest label, or a text
	P      float64   // its probability; of texts that of a token (geometric mean), 0 = not measured
	Labels []float64 // probabilities of all labels, in the recipe's order; nil of texts
}

// RunRows reads what the eval stage of a run kept of its test rows. r is the run's own recipe.
func RunRows(dir string, r *Recipe) ([]RunRow, error) {
	if r.pairs() {
		return nil, &RecipeError{File: r.file, Msg: pairsNotRows}
	}
	if r.embeds() { // vectors are no answers to be read
		return nil, nil
	}
	if r.answers() {
		lines, err := readEval[answerRecord](dir, "answers.jsonl")
		rows := make([]RunRow, len(lines))
		for i, l := range lines {
			rows[i] = RunRow{ID: l.ID, hash: l.Hash, Gold: l.Gold, Student: Said{Answer: l.Student, P: l.StudentP}, Teacher: Said{Answer: l.Teacher, P: l.TeacherP}}
		}
		return rows, err
	}
	if r.several() {
		return multilabelRows(dir, r)
	}
	lines, err := readEval[prediction](dir, "predictions.jsonl")
	rows := make([]RunRow, len(lines))
	labels := r.Task.Labels
	for i, l := range lines {
		row := RunRow{ID: l.ID, hash: l.Hash}
		if l.Gold < 0 || l.Gold >= len(labels) || l.Student != nil && len(l.Student) != len(labels) || l.Teacher != nil && len(l.Teacher) != len(labels) {
			return nil, &DataError{File: filepath.Join(dir, "eval", "predictions.jsonl"), Line: i + 1, Msg: fmt.Sprintf("does not fit the recipe's %d labels", len(labels)), Fix: "run the eval stage again: freehold eval"}
		}
		row.Gold = labels[l.Gold]
		for _, m := range []struct {
			p  []float64
			to *Said
		}{{l.Student, &row.Student}, {l.Teacher, &row.Teacher}} {
			if m.p != nil {
				k := argmax(m.p)
				*m.to = Said{labels[k], m.p[k], m.p}
			}
		}
		rows[i] = row
	}
	return rows, err
}

// SameAnswer tells whether two answers of the row's task are the same: texts by their words, JSON by its value.
func SameAnswer(a, b string) bool { return sameAnswer(a, b) }

// FillTexts gives rows of a run their texts, which no run keeps, from the recipe's data.
func FillTexts(ctx context.Context, r *Recipe, rows []RunRow) error {
	set, err := loadData(ctx, r)
	if err != nil {
		return err
	}
	texts := map[string]string{}
	for _, row := range set.Test {
		texts[row.ID] = row.Text
	}
	for i, row := range rows {
		if text, ok := texts[row.ID]; ok && data.HashText(text) == row.hash {
			rows[i].Text = text
		}
	}
	return nil
}

// DataFiles are the files that the recipe takes its rows from, as paths; none of a data set of the catalogue.
func (r *Recipe) DataFiles() (paths []string) {
	for _, p := range []string{r.Data.Train, r.Data.Valid, r.Data.Test, r.Data.Corrections, r.Data.Collected} {
		if p != "" {
			paths = append(paths, r.path(p))
		}
	}
	return paths
}

// TeacherFile finds the teacher's model file.
func (r *Recipe) TeacherFile() (string, error) {
	path, _, err := r.model(r.Teacher.Model)
	return path, err
}

// Answers tells whether the recipe's task is answered with text, and not with one of its labels.
func (r *Recipe) Answers() bool { return r.answers() }

// Pairs tells whether the recipe's rows are queries and documents.
func (r *Recipe) Pairs() bool { return r.pairs() }

// TeacherText is how the teacher of a task that is answered with text is asked.
func (r *Recipe) TeacherText() engine.TextTask {
	return engine.TextTask{Prompt: r.Task.Prompt, System: r.Task.System, MaxTokens: r.Task.MaxTokens}
}
