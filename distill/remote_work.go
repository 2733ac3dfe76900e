package distill

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/remote"
	"github.com/freehold-slm/freehold/engine/grammar"
)

// remoteWork is a work whose teacher may be a remote one; the recipes of others refuse it.
type remoteWork interface {
	// remoteRows are the rows that the teacher is asked about, and those that have no label in the run's shards yet.
	remoteRows() (all, open []Row)
	// request says what of an answer is wanted.
	request(q *remote.Request) error
	// noteTokens keeps of an answer's tokens what its label is made of.
	noteTokens(l *remoteLine, tokens []remote.Token)
	// counter gives what sums up answers in u, and tells of each whether it is none.
	counter(u *RemoteUsed) func(l *remoteLine) (none bool)
}

func (j *Job) remoteWork() remoteWork { return j.work.(remoteWork) }

// likeliest is how many log-probabilities a remote teacher is asked for at each place: the most that servers give.
const likeliest = 20

func (w *classifyWork) remoteRows() (all, open []Row) {
	f := w.j.labelShards(w.j.labellers()[0], nil)
	for s, part := range f.parts {
		all = append(all, part...)
		if _, _, err := f.find(s); err != nil {
			open = append(open, part...)
		}
	}
	return all, open
}

// request leaves room for the longest label in two bytes a token, and what stands around it.
func (w *classifyWork) request(q *remote.Request) error {
	q.MaxTokens, q.Top = newLabelWords(&w.j.recipe.Task).longest()/2+6, likeliest
	return nil
}

func (w *classifyWork) noteTokens(l *remoteLine, tokens []remote.Token) { l.Tokens = tokens }

func (w *classifyWork) counter(u *RemoteUsed) func(l *remoteLine) (none bool) {
	words := newLabelWords(&w.j.recipe.Task)
	return func(l *remoteLine) bool {
		_, how := words.score(l)
		u.Labels[how]++
		return how == byNothing
	}
}

// remoteLabels makes labels of the answers to a shard's rows.
func (j *Job) remoteLabels(asks *remoteAsks, rows []Row) ([]labelLine, error) {
	words, lines := newLabelWords(&j.recipe.Task), make([]labelLine, len(rows))
	for i, r := range rows {
		l, _ := asks.of(r)
		lp, how := words.score(&l)
		if how == byAnswer && j.recipe.Teacher.Calibration != "none" {
			return nil, &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("teacher.calibration is %s, and %s gives no log-probabilities to calibrate; write calibration: none", j.recipe.Teacher.Calibration, j.teacher.remote.Host)}
		}
		lines[i] = labelLine{r.ID, lp}
	}
	return lines, nil
}

// saysNothing tells that a remote teacher's answer was no label: all are alike.
func saysNothing(lp []float64) bool {
	return !slices.ContainsFunc(lp, func(v float64) bool { return v != lp[0] })
}

// leaveOutUnanswered takes the training rows out of which a remote teacher said no label. (With train.min_confidence they are those that it is least sure of.)
func (j *Job) leaveOutUnanswered() error {
	w, ok := j.work.(*classifyWork)
	if !ok || j.sure != nil {
		return nil
	}
	no := func(r Row) bool { _, _, asked := w.confidence(r); return asked && saysNothing(w.labels[r.ID]) }
	n := len(slices.DeleteFunc(slices.Clone(j.data.Train), func(r Row) bool { return !no(r) }))
	if n == 0 {
		return nil
	}
	set := j.data.Without(func(r Row) string {
		if no(r) {
			return "teacher gave no label"
		}
		return ""
	}, j.recipe.tidy().Labels)
	if len(set.Train) == 0 {
		return &DataError{File: j.recipe.file, Msg: fmt.Sprintf("the teacher answered none of %d training rows with a label", n), Fix: "let task.prompt ask for one of the labels and nothing else, or give task.words; its answers are in " + filepath.Join(j.dir, remoteName)}
	}
	j.warn(fmt.Sprintf("%d of %d training rows are left out, for the teacher's answer is no label (%s)", n, len(j.data.Train), filepath.Join(j.dir, remoteName)))
	j.sure = set
	return nil
}

func (w *answerWork) remoteRows() (all, open []Row) {
	for s, part := range w.shards() {
		got, _, err := w.find(s, part)
		done := err == nil && w.unscored(part, got.lines) == nil
		for _, r := range part {
			if w.asked[r.ID] {
				if all = append(all, r); !done {
					open = append(open, r)
				}
			}
		}
	}
	return all, open
}

func (w *answerWork) request(q *remote.Request) (err error) {
	q.MaxTokens = w.j.recipe.Task.MaxTokens
	if w.j.recipe.Train.MinConfidence > 0 {
		q.Top = 1
	}
	switch w.j.recipe.Teacher.ResponseFormat {
	case "json_schema":
		q.Format, err = json.Marshal(map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "strict": true, "schema": json.RawMessage(w.schema)}})
	case "json_object":
		q.Format = json.RawMessage(`{"type":"json_object"}`)
	}
	return err
}

// noteTokens keeps the mean of their log-probabilities.
func (w *answerWork) noteTokens(l *remoteLine, tokens []remote.Token) {
	if len(tokens) == 0 {
		return
	}
	mean := 0.0
	for _, t := range tokens {
		mean += logProb(t.LogProb) / float64(len(tokens))
	}
	l.LogProb = &mean
}

func (w *answerWork) counter(u *RemoteUsed) func(l *remoteLine) (none bool) {
	return func(l *remoteLine) bool {
		why := ""
		switch {
		case l.Refusal != "":
			why = "refused"
		case l.Finish == "length":
			why = "cut"
		default:
			_, why = w.fit(l.Answer)
		}
		if why != "" {
			u.Unlearnt[why]++
		}
		return why != ""
	}
}

// remoteAnswers gives the answers of a shard's rows.
func (w *answerWork) remoteAnswers(asks *remoteAsks, rows []Row) ([]answerLine, error) {
	lines := make([]answerLine, len(rows))
	for i, r := range rows {
		if lines[i] = (answerLine{ID: r.ID, Answer: r.Answer, Gold: true}); !w.asked[r.ID] {
			continue
		}
		l, _ := asks.of(r)
		lines[i] = answerLine{ID: r.ID, Answer: l.Answer, Cut: l.Finish == "length"}
		if lines[i].Bad = l.Refusal; l.Refusal == "" && !lines[i].Cut {
			lines[i].Answer, lines[i].Bad = w.fit(l.Answer)
		}
		if w.j.recipe.Train.MinConfidence > 0 && w.learnt[r.ID] && !lines[i].Cut && lines[i].Bad == "" {
			if l.LogProb == nil {
				return nil, &RecipeError{File: w.j.recipe.file, Msg: fmt.Sprintf("train.min_confidence needs to know how sure the teacher is, and %s gives no log-probabilities; leave it out", w.j.teacher.remote.Host)}
			}
			p := expAll([]float64{*l.LogProb})[0]
			lines[i].P = &p
		}
	}
	return lines, nil
}

// fit is an answer in the form that the task has it in, or why it is none.
func (w *answerWork) fit(answer string) (fitting, bad string) {
	if strings.TrimSpace(answer) == "" {
		return answer, "is empty"
	}
	if w.rule == nil {
		return answer, ""
	}
	text, err := grammar.Order(w.schema, []byte(answer))
	if err != nil {
		return answer, "does not match task.schema"
	}
	if !w.rule.Allows(text) {
		return answer, "does not match task.schema"
	}
	return string(text), ""
}
