package distill

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/gguf"
)

//go:embed report_augment.tmpl.html
var augmentSource string

// made are the training rows that a model made.
func (j *Job) made() []Row { return madeOf(j.data) }

func madeOf(s *data.Set) []Row {
	return slices.DeleteFunc(slices.Clone(s.Train), func(r Row) bool { return r.Made == nil })
}

// addMade makes rows of what the model said, and adds those that stay to the training rows.
func (j *Job) addMade(shards [][]making, said [][]makingLine) error {
	if j.data != j.own { // by a plan of this job
		return nil
	}
	fits, done, err := j.newFits()
	if err != nil {
		return err
	}
	defer done()
	var rows []Row
	faults := map[string]string{}
	for s, part := range shards {
		for i := range part {
			line := said[s][i]
			row := Row{ID: line.ID, Text: cleanText(line.Text), Gold: -1, Made: &part[i].made, File: fmt.Sprintf("%sshard-%05d.jsonl", madeFolder, s), Line: i + 2} // after the header
			faults[row.ID] = line.Fault
			if line.Fault == "" {
				faults[row.ID] = faultOf(row.Text)
			}
			rows = append(rows, row)
		}
	}
	j.data = j.own.With(rows, faults, fits, j.recipe.tidy())
	j.work, err = taskTypes[j.recipe.Task.Type].work(j) // which knows its rows
	return err
}

// cleanText takes off what models put around a text that they were asked for: a first line that announces it, a sign of a list, quotation marks.
func cleanText(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if first, rest, ok := strings.Cut(text, "\n"); ok && strings.HasSuffix(strings.TrimSpace(first), ":") {
		text = strings.TrimSpace(rest)
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, "- "))
	for _, q := range []struct{ open, close string }{{`"`, `"`}, {"“", "”"}, {"„", "“"}, {"«", "»"}} {
		if in, ok := strings.CutPrefix(text, q.open); ok {
			if in, ok = strings.CutSuffix(in, q.close); ok && !strings.Contains(in, q.open) && !strings.Contains(in, q.close) {
				text = strings.TrimSpace(in)
			}
		}
	}
	return text
}

// faultOf is why a text is no row; "" = it is one.
func faultOf(text string) string {
	odd := func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.IsControl(r) && r != '\n' && r != '\t'
	}
	switch {
	case text == "":
		return "empty"
	case strings.ContainsFunc(text, odd):
		return "control characters"
	case !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }):
		return "without letters"
	}
	return ""
}

// newFits tells of made rows what later stages would refuse of them: those that the teacher or the student cannot read whole.
func (j *Job) newFits() (fits func(Row) string, done func(), err error) {
	f, err := gguf.Open(j.base.path)
	if err != nil {
		return nil, nil, err
	}
	read, err := j.newReading(f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	m, err := engine.Open(j.teacher.path, engine.WithThreads(1), engine.WithLevel(j.level))
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	done = func() { m.Close(); f.Close() } //nolint:errcheck // mappings
	ask, err := m.NewAnswerer(engine.TextTask{Prompt: j.recipe.Task.Prompt, System: j.recipe.Task.System, MaxTokens: 1})
	if err != nil {
		done()
		return nil, nil, err
	}
	room, answer := math.MaxInt, j.recipe.Task.MaxTokens // 0 of a classifier, which says one token at a time
	if n := j.base.spec.Context; n > 0 {
		room = n
	}
	words := 0
	if !j.recipe.answers() {
		for _, l := range j.recipe.Task.Labels {
			for _, w := range append([]string{l}, j.recipe.Task.Words[l]...) {
				words = max(words, len(w)) // as many tokens at most
			}
		}
	}
	return func(r Row) string {
		own := len(read.encode(read.base, r))
		switch {
		case own == 0 || own+answer > min(room, j.recipe.Train.MaxTokens):
			return "no room for it within train.max_tokens or the student's context"
		case len(ask.Tokens(nil, r.Text))+max(answer, words) > m.Context():
			return "no room for it within the teacher's context"
		}
		return ""
	}, done, nil
}

// leaveOutDisagreeing takes those made rows out, after labelling, to which the teacher does not give the label that was meant.
func (j *Job) leaveOutDisagreeing() error {
	a := j.recipe.Data.Augment
	if a.Keep != "agreeing" || len(j.made()) == 0 {
		return nil
	}
	j.sure = j.data.Without(func(r Row) string {
		if r.Made == nil || r.Made.Label == "" {
			return ""
		}
		switch p, label, _ := j.work.confidence(r); {
		case label != r.Made.Label:
			return "the teacher gives another label than was meant"
		case p < a.MinConfidence:
			return fmt.Sprintf("the teacher is less sure than %g of the label that was meant", a.MinConfidence)
		}
		return ""
	}, j.recipe.tidy().Labels)
	made := j.sure.Report.Made
	if made.Kept == 0 {
		j.warn("data.augment: the teacher gives no made row the label that was meant, so none is learnt from")
	}
	j.event(Event{Stage: "label", Step: len(j.data.Train), Total: len(j.data.Train), Msg: fmt.Sprintf("of %d made rows %d have the label that was meant and are learnt from", len(j.made()), made.Kept)})
	return nil
}

// madeRow is a line of augment/rows.jsonl.
type madeRow struct {
	rowOrigin
	Text string     `json:"text"`
	Made *data.Made `json:"made"`
}

// writeMade writes augment/rows.jsonl: the made rows before the teacher labels them, and where each came from.
func (j *Job) writeMade() error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, r := range j.made() {
		if err := enc.Encode(madeRow{rowOrigin{r.ID, "train", r.File, r.Line, rowHash(r)}, r.Text, r.Made}); err != nil {
			return err
		}
	}
	return j.writeShared(filepath.Join(j.dir, filepath.FromSlash(madeRows)), b.Bytes())
}

// recallMade takes the made rows of a finished run from its folder.
func (j *Job) recallMade() error {
	if !j.recipe.augments() {
		return nil
	}
	path := filepath.Join(j.dir, filepath.FromSlash(madeRows))
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j.checkMade()
	} else if err != nil {
		return err
	}
	set := *j.own
	set.Train = slices.Clone(set.Train)
	for text := range bytes.Lines(b) {
		var m madeRow
		if err := json.Unmarshal(text, &m); err != nil || m.Made == nil {
			return &DataError{File: path, Msg: fmt.Sprintf("cannot be read: %v", err), Fix: "apply the recipe again"}
		}
		set.Train = append(set.Train, Row{ID: m.ID, Text: m.Text, Gold: -1, Made: m.Made, File: m.File, Line: m.Line})
	}
	set.Report.Made = &data.MadeReport{}
	j.data = &set
	return nil
}

// planMade estimates the stage, and what the rows that it will make take in later ones: where they are not there yet, rows of the usual length stand in for
// them until the func that it returns is called.
func (j *Job) planMade(int8Peak float64) (s PlanStage, done func(), err error) {
	all := j.makings()
	f, said := j.makingShards()
	missing, shards := f.missing()
	s = PlanStage{Name: "augment", State: "to do"}
	if missing == 0 {
		s.State = "done"
	} else if missing < shards {
		s.State = "partly done"
	}
	weights, err := blockWeights(j.maker.path)
	if err != nil {
		return s, nil, err
	}
	chars := 0
	for _, r := range j.own.Train {
		chars += len(r.Text)
	}
	length := float64(chars) / 4 / float64(max(1, len(j.own.Train)))
	read, writes := 0.0, math.Min(length, float64(j.recipe.Data.Augment.MaxTokens))*float64(len(all))
	for i := range all {
		read += float64(len(all[i].prompt)) / 4
	}
	left := float64(missing) / float64(max(1, shards))
	s.What = fmt.Sprintf("%d texts by %s, %d of %d shards missing; it reads about %.0f tokens and writes %.0f", len(all), j.maker.Name, missing, shards, read*left, writes*left)
	s.Seconds = left * (read*2*float64(weights)/(prefillShare*int8Peak) + written(writes, float64(j.maker.Bytes), float64(weights), int8Peak))
	if missing == 0 {
		if err := f.recall(); err != nil {
			return s, nil, err
		}
		return s, func() {}, j.addMade(f.parts, said)
	}
	before, set := j.data, *j.own
	set.Train = slices.Clone(set.Train)
	stand := strings.Repeat("x", int(4*length))
	for i := range all {
		set.Train = append(set.Train, Row{ID: all[i].id(), Text: stand, Gold: -1, Made: &all[i].made})
	}
	j.data = &set
	return s, func() { j.data = before }, nil
}

// madeNote is what a plan says of rows that are not made yet.
func (j *Job) madeNote(done bool) string {
	if !j.recipe.augments() || done {
		return ""
	}
	return fmt.Sprintf("up to %d training rows are made by %s; how many stay is known after labelling", len(j.makings()), j.maker.Name)
}

// shownMade are some of the made rows that are learnt from, for the report: of each kind and label the first ones.
func (j *Job) shownMade() (some []Row) {
	const each = 3
	have := map[string]int{}
	for _, r := range madeOf(j.learns()) {
		if k := r.Made.Kind + r.Made.Label; have[k] < each {
			have[k]++
			r.Text = cutRunes(r.Text, 300)
			some = append(some, r)
		}
	}
	return some
}

// cutRunes shortens a text.
func cutRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
