package distill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
)

// Kinds of disagreement between gold, student and teacher.
const (
	StudentGold    = "student-gold"
	StudentTeacher = "student-teacher"
	TeacherGold    = "teacher-gold"
)

// ErrorKinds lists the kinds.
func ErrorKinds() []string { return []string{StudentGold, StudentTeacher, TeacherGold} }

// pairsNotRows is why a reranker has no list of errors.
const pairsNotRows = "task.type is rerank: a document is not right or wrong by itself, but ranked; eval/rankings.jsonl of the run has what student, teacher and BM25 say of each"

// Disagreement is a row that gold, student and teacher do not agree on.
type Disagreement struct {
	ID         string   `json:"id"`
	Hash       string   `json:"hash"`
	Split      string   `json:"split"` // "test"; "train": the student was not asked
	Kinds      []string `json:"kinds"`
	Confidence float64  `json:"confidence"` // of the surest of those that disagree
	Gold       string   `json:"gold"`
	Student    string   `json:"student,omitempty"`
	StudentP   float64  `json:"student_p,omitempty"`
	Teacher    string   `json:"teacher,omitempty"`
	TeacherP   float64  `json:"teacher_p,omitempty"`
	Text       string   `json:"text"`
}

// ErrorList is what Errors finds.
type ErrorList struct {
	Rows   []Disagreement // the most confident first
	Judged int            // rows left out, for a corrections file speaks of them
	all    map[string]Disagreement
}

// Errors lists the disagreements of a finished run of one kind ("" = all), with the texts from the recipe's data. Rows of
// the recipe's corrections file, and of the given one, are left out.
func Errors(ctx context.Context, dir string, r *Recipe, kind, corrections string) (*ErrorList, error) {
	if kind != "" && !slices.Contains(ErrorKinds(), kind) {
		return nil, fmt.Errorf("unknown kind %q, want one of: %s", kind, strings.Join(ErrorKinds(), ", "))
	}
	if r.pairs() {
		return nil, &RecipeError{File: r.file, Msg: pairsNotRows}
	}
	dir, err := RunFolder(dir)
	if err != nil {
		return nil, err
	}
	rows, err := disputes(dir, r)
	if err != nil {
		return nil, err
	}
	set, err := loadData(ctx, r)
	if err != nil {
		return nil, err
	}
	texts := map[string]Row{}
	for _, part := range [][]Row{set.Train, set.Valid, set.Test} {
		for _, row := range part {
			texts[row.ID] = row
		}
	}
	judged, err := judgedRows(corrections, set)
	if err != nil {
		return nil, err
	}
	list := &ErrorList{all: map[string]Disagreement{}, Rows: []Disagreement{}}
	for _, d := range rows {
		row, ok := texts[d.ID]
		if !ok || data.HashText(row.Text) != d.Hash {
			return nil, &DataError{File: dir, Msg: fmt.Sprintf("row %.40q of the run is not in the recipe's data, or has another text there", d.ID), Fix: "give the recipe of this run with --recipe, or apply the recipe and look at the new run"}
		}
		d.Text = row.Text
		list.all[d.ID] = d
		if len(d.Kinds) == 0 || kind != "" && !slices.Contains(d.Kinds, kind) {
			continue
		}
		if judged[d.ID] {
			list.Judged++
			continue
		}
		if kind != "" {
			d.Confidence = d.confidence(kind)
		}
		list.Rows = append(list.Rows, d)
	}
	for id, row := range texts { // rows that nobody was asked about can be judged too
		if _, ok := list.all[id]; !ok {
			d := Disagreement{ID: id, Hash: data.HashText(row.Text), Gold: row.Answer}
			if row.Gold >= 0 && r.several() {
				d.Gold = data.FormatLabels(row.Labels, r.Task.Labels)
			} else if row.Gold >= 0 && !r.answers() {
				d.Gold = r.Task.Labels[row.Gold]
			}
			list.all[id] = d
		}
	}
	slices.SortStableFunc(list.Rows, func(a, b Disagreement) int {
		switch {
		case a.Confidence > b.Confidence:
			return -1
		case a.Confidence < b.Confidence:
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

// judgedRows are the rows that people have spoken of.
func judgedRows(corrections string, set *data.Set) (map[string]bool, error) {
	judged := map[string]bool{}
	for _, part := range [][]Row{set.Train, set.Valid, set.Test} {
		for _, row := range part {
			judged[row.ID] = row.Corrected
		}
	}
	if corrections == "" {
		return judged, nil
	}
	if _, err := os.Stat(corrections); errors.Is(err, fs.ErrNotExist) {
		return judged, nil
	}
	known, err := data.ReadCorrections(corrections)
	for _, c := range known {
		judged[c.ID] = true
	}
	return judged, err
}

// disputes reads what the run's eval stage kept, all rows, with the kinds of disagreement of each.
func disputes(dir string, r *Recipe) (all []Disagreement, err error) {
	if r.embeds() {
		return nil, &DataError{File: dir, Msg: "is a run of task type embed, whose vectors are neither right nor wrong", Fix: "eval/neighbours.jsonl of the run names each test row's neighbours, the student's and the teacher's"}
	}
	if r.answers() {
		lines, err := readEval[answerRecord](dir, "answers.jsonl")
		for _, l := range lines {
			d := Disagreement{ID: l.ID, Hash: l.Hash, Split: "test", Gold: l.Gold, Student: l.Student, Teacher: l.Teacher, StudentP: l.StudentP, TeacherP: l.TeacherP}
			d.judge(sameAnswer)
			all = append(all, d)
		}
		return all, err
	}
	if r.several() {
		return multilabelDisputes(dir, r)
	}
	label := func(dir string, i int) (string, error) {
		if i < 0 || i >= len(r.Task.Labels) {
			return "", &DataError{File: dir, Msg: fmt.Sprintf("names label %d, the recipe has %d", i, len(r.Task.Labels)), Fix: "give the recipe of this run with --recipe"}
		}
		return r.Task.Labels[i], nil
	}
	for _, part := range []struct{ name, split string }{{"predictions.jsonl", "test"}, {disputedName, "train"}} {
		lines, err := readEval[prediction](dir, part.name)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			d := Disagreement{ID: l.ID, Hash: l.Hash, Split: part.split}
			if d.Gold, err = label(dir, l.Gold); err != nil {
				return nil, err
			}
			for _, m := range []struct {
				p     []float64
				label *string
				of    *float64
			}{{l.Student, &d.Student, &d.StudentP}, {l.Teacher, &d.Teacher, &d.TeacherP}} {
				if m.p == nil {
					continue
				}
				k := argmax(m.p)
				if *m.label, err = label(dir, k); err != nil {
					return nil, err
				}
				*m.of = m.p[k]
			}
			d.judge(func(a, b string) bool { return a == b })
			all = append(all, d)
		}
	}
	return all, nil
}

// sameAnswer compares answers, of JSON by value.
func sameAnswer(a, b string) bool {
	x, err := canonicalJSON(a)
	y, other := canonicalJSON(b)
	if err == nil && other == nil {
		return x == y
	}
	return strings.TrimSpace(a) == strings.TrimSpace(b)
}

// judge finds the kinds of disagreement, and how sure the surest is.
func (d *Disagreement) judge(same func(a, b string) bool) {
	asked := d.Split == "test"
	for _, k := range []struct {
		kind string
		is   bool
	}{{StudentGold, asked && !same(d.Student, d.Gold)}, {StudentTeacher, asked && !same(d.Student, d.Teacher)}, {TeacherGold, !same(d.Teacher, d.Gold)}} {
		if k.is {
			d.Kinds = append(d.Kinds, k.kind)
			d.Confidence = max(d.Confidence, d.confidence(k.kind))
		}
	}
}

// confidence of a kind: of the model against gold; where two models disagree, of the less sure one.
func (d *Disagreement) confidence(kind string) float64 {
	switch kind {
	case StudentGold:
		return d.StudentP
	case TeacherGold:
		return d.TeacherP
	}
	return min(d.StudentP, d.TeacherP)
}

// readEval reads a file of a run's eval/.
func readEval[L any](dir, name string) (lines []L, err error) {
	path := filepath.Join(dir, "eval", name)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &DataError{File: path, Msg: errText(err), Fix: "run the eval stage first: freehold eval"}
	}
	for i, text := range bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")) {
		if len(b) == 0 {
			break
		}
		var l L
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, &DataError{File: path, Line: i + 1, Msg: err.Error(), Fix: "run the eval stage again: freehold eval"}
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// Judgement is what a person says of a row: the label, or that gold is right as it stands (Label "").
type Judgement struct{ ID, Label string }

// Record puts judgements of rows of the list into a corrections file, in place of what it says of those rows, and returns
// how many it then holds.
func (l *ErrorList) Record(path string, r *Recipe, by string, said []Judgement) (int, error) {
	var all []data.Correction
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		if all, err = data.ReadCorrections(path); err != nil {
			return 0, err
		}
	}
	for _, s := range said {
		d, ok := l.all[s.ID]
		if !ok {
			return 0, &DataError{File: path, Msg: fmt.Sprintf("row %.40q is not in the recipe's data", s.ID), Fix: "take an id that `freehold errors` lists"}
		}
		c := data.Correction{ID: d.ID, Hash: d.Hash, Label: s.Label, By: by}
		if c.Label == "" {
			c.Label = d.Gold
		}
		if c.Label == "" {
			return 0, &DataError{File: path, Msg: fmt.Sprintf("row %.40q has no gold label to accept", s.ID), Fix: "say which is right with --correct ID=LABEL"}
		}
		if r.several() {
			labels, err := data.ParseLabels(c.Label, r.Task.Labels)
			if err != nil {
				return 0, &DataError{File: path, Msg: err.Error(), Fix: fmt.Sprintf("write labels with %q between them, or %s", data.LabelSeparator, data.NoLabels)}
			}
			c.Label = data.FormatLabels(labels, r.Task.Labels)
		} else if !r.answers() && !slices.Contains(r.Task.Labels, c.Label) {
			return 0, &DataError{File: path, Msg: fmt.Sprintf("%.40q is not a label, want one of: %s", c.Label, strings.Join(r.Task.Labels, ", "))}
		}
		all = slices.DeleteFunc(all, func(o data.Correction) bool { return o.ID == c.ID })
		all = append(all, c)
	}
	b, err := data.EncodeCorrections(all)
	if err != nil {
		return 0, err
	}
	return len(all), os.WriteFile(path, b, 0o666)
}
