package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/distill/remote"
	"github.com/freehold-slm/freehold/engine/grammar"
)

// likeliest is how many log-probabilities a remote teacher is asked for at each place: the most that servers give.
const likeliest = 20

// remoteAsk is a question to a remote teacher. Rows of the same text share one.
type remoteAsk struct {
	key     string // hash of endpoint and request
	body    []byte
	in, out int // tokens of the question, as they are estimated, and most of the answer
	row     Row // the first that asks it
}

// remoteAsks are the questions of all rows, and the answers that there are.
type remoteAsks struct {
	list   []remoteAsk       // each once, in the order of the rows
	keys   map[string]string // row id -> key
	wanted map[string]bool   // keys of rows that have no label yet
	own    map[string]remoteLine
	others map[string]remoteLine // of other runs of the folder
	bad    int                   // own lines that are not as they were written
}

// left are the questions that nobody has answered.
func (a *remoteAsks) left() []remoteAsk {
	return slices.DeleteFunc(slices.Clone(a.list), func(q remoteAsk) bool {
		_, mine := a.own[q.key]
		_, theirs := a.others[q.key]
		return mine || theirs || !a.wanted[q.key]
	})
}

// of is the answer to a row.
func (a *remoteAsks) of(r Row) (remoteLine, bool) {
	l, ok := a.own[a.keys[r.ID]]
	return l, ok
}

// remoteRows are the rows that a remote teacher is asked about, and those that have no label in the run's shards yet.
func (j *Job) remoteRows() (all, open []Row) {
	switch w := j.work.(type) {
	case *classifyWork:
		all = j.labelled()
		f := j.labelShards(j.labellers()[0], nil)
		for s, part := range f.parts {
			if _, _, err := f.find(s); err != nil {
				open = append(open, part...)
			}
		}
	case *answerWork:
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
	}
	return all, open
}

// remoteRequest is how a row is asked about.
func (j *Job) remoteRequest(r Row) (*remote.Request, error) {
	t := j.recipe.Task
	q := &remote.Request{Model: j.recipe.Teacher.Model, System: t.System, User: strings.Replace(t.Prompt, "{text}", r.Text, 1), Params: j.recipe.Teacher.Params}
	w, answers := j.work.(*answerWork)
	if !answers { // room for the longest label in two bytes a token, and what stands around it
		q.MaxTokens, q.Top = newLabelWords(&t).longest()/2+6, likeliest
		return q, nil
	}
	q.MaxTokens = t.MaxTokens
	if j.recipe.Train.MinConfidence > 0 {
		q.Top = 1
	}
	var err error
	switch j.recipe.Teacher.ResponseFormat {
	case "json_schema":
		q.Format, err = json.Marshal(map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "strict": true, "schema": json.RawMessage(w.schema)}})
	case "json_object":
		q.Format = json.RawMessage(`{"type":"json_object"}`)
	}
	return q, err
}

// remoteAsks makes the questions and finds the answers that there are.
func (j *Job) remoteAsks() (*remoteAsks, error) {
	a := &remoteAsks{keys: map[string]string{}, wanted: map[string]bool{}}
	all, open := j.remoteRows()
	seen := map[string]bool{}
	for _, r := range all {
		q, err := j.remoteRequest(r)
		if err != nil {
			return nil, err
		}
		one := remoteAsk{in: len(q.System+q.User)/4 + 16, out: q.MaxTokens, row: r}
		if one.body, err = q.Body(); err != nil {
			return nil, err
		}
		one.key = hashOf("freehold/remote/1", j.teacher.remote.String(), string(one.body))
		if a.keys[r.ID] = one.key; !seen[one.key] {
			seen[one.key] = true
			a.list = append(a.list, one)
		}
	}
	for _, r := range open {
		a.wanted[a.keys[r.ID]] = true
	}
	var err error
	a.own, a.others, a.bad, err = j.remoteLines()
	return a, err
}

// askRemote asks the remote teacher what nobody has answered yet, some questions at a time, and keeps each answer as it comes. An error, a signal or a spent budget
// ends it when the questions on their way are answered, and another run goes on from there.
func (j *Job) askRemote(ctx context.Context) (*remoteAsks, error) {
	a, err := j.remoteAsks()
	if err != nil {
		return nil, err
	}
	if a.bad > 0 {
		j.warn(fmt.Sprintf("%s: %d answers are not as they were written, and do not count", filepath.Join(j.dir, remoteName), a.bad))
	}
	left := a.left()
	if err := j.maySend(len(left)); err != nil || len(left) == 0 {
		return a, err
	}
	kept, err := openJournal(filepath.Join(j.dir, remoteName))
	if err != nil {
		return nil, err
	}
	return a, errors.Join(j.askAll(ctx, a, left, kept), kept.close())
}

// takeOver copies what other runs of the folder were answered to this run's questions, so that it holds all that its labels are made of.
func (j *Job) takeOver() error {
	if j.teacher.remote == nil {
		return nil
	}
	a, err := j.remoteAsks()
	if err != nil || len(a.others) == 0 {
		return err
	}
	kept, err := openJournal(filepath.Join(j.dir, remoteName))
	if err != nil {
		return err
	}
	for _, q := range a.list {
		if l, theirs := a.others[q.key]; theirs && err == nil {
			err = kept.add(l)
		}
	}
	return errors.Join(err, kept.close())
}

// askAll asks questions, concurrently.
func (j *Job) askAll(ctx context.Context, a *remoteAsks, left []remoteAsk, kept *journal) error {
	t := &j.recipe.Teacher
	config, err := t.config()
	if err != nil {
		return &DataError{File: j.recipe.file, Msg: err.Error()}
	}
	client, err := remote.New(config)
	if err != nil {
		return &DataError{File: j.recipe.file, Msg: "the key of teacher.key_env: " + err.Error()}
	}
	purse := &remote.Purse{Budget: remote.Budget{Requests: t.Budget.MaxRequests, Tokens: t.Budget.MaxTokens, Cost: t.Budget.MaxCost}, Prices: j.prices()}
	spent := spentOn(a.own)
	purse.Spend(spent.Requests, spent.In, spent.Out)
	on, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var mu sync.Mutex
	before, done, start := len(a.list)-len(left), 0, time.Now()
	answered := func(q remoteAsk, l remoteLine) {
		mu.Lock()
		defer mu.Unlock()
		a.own[q.key] = l
		done++
		rate, used := float64(done)/time.Since(start).Seconds(), purse.Spent()
		j.event(Event{Stage: "label", Step: before + done, Total: len(a.list), Rate: rate, Unit: "rows/s", ETA: eta(len(left)-done, rate), Msg: used.String()})
	}
	ask := func(q remoteAsk, settle func(requests, in, out int)) error {
		l, err := j.askOne(on, client, q)
		if err != nil {
			tries := 0
			if e := (*remote.Error)(nil); errors.As(err, &e) {
				tries = e.Tries
			}
			settle(tries, 0, 0)
			return err
		}
		settle(l.Tries, l.In, l.Out)
		if err := kept.add(l); err != nil {
			return err
		}
		answered(q, l)
		return nil
	}
	var workers sync.WaitGroup
	slots := make(chan struct{}, t.Limits.Concurrency)
	for _, q := range left {
		slots <- struct{}{}
		if on.Err() != nil {
			break
		}
		settle, err := purse.Hold(q.in, q.out)
		if err != nil {
			stop(err)
			break
		}
		workers.Go(func() {
			defer func() { <-slots }()
			if err := ask(q, settle); err != nil {
				stop(err)
			}
		})
	}
	workers.Wait()
	err = context.Cause(on)
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	if e := (*remote.BudgetError)(nil); errors.As(err, &e) {
		e.Done, e.All, e.Spent = before+done, len(a.list), purse.Spent()
	}
	return err
}

// askOne asks one question. What a service refuses to answer is an answer too.
func (j *Job) askOne(ctx context.Context, c *remote.Client, q remoteAsk) (remoteLine, error) {
	l := remoteLine{Key: q.key}
	got, err := c.Chat(ctx, q.body, q.in+q.out)
	var e *remote.Error
	switch {
	case errors.As(err, &e) && e.TooLong():
		return l, &DataError{File: q.row.File, Line: q.row.Line, Msg: "is too long for the teacher: " + err.Error(), Fix: "shorten the row, or leave such rows out by data.max_chars"}
	case errors.As(err, &e) && e.Filtered():
		got = &remote.Answer{Refusal: e.Code, Finish: "content_filter", Tries: e.Tries}
	case err != nil:
		return l, fmt.Errorf("%w (answers so far are kept: run again to go on)", err)
	}
	if l.In, l.Out = got.In, got.Out; got.In+got.Out == 0 && got.Finish != "content_filter" { // the server does not count
		l.In, l.Out = q.in, len(got.Text)/4+1
	}
	l.At, l.Model, l.Fingerprint, l.Answer, l.Finish, l.Refusal, l.Tries = time.Now().UTC().Format(time.RFC3339), got.Model, got.Fingerprint, got.Text, got.Finish, got.Refusal, got.Tries
	if _, answers := j.work.(*answerWork); !answers {
		l.Tokens = got.Tokens
	} else if n := len(got.Tokens); n > 0 {
		mean := 0.0
		for _, t := range got.Tokens {
			mean += logProb(t.LogProb) / float64(n)
		}
		l.LogProb = &mean
	}
	return l, nil
}

// prices are the recipe's.
func (j *Job) prices() remote.Prices {
	return remote.Prices{In: j.recipe.Teacher.Prices.Input, Out: j.recipe.Teacher.Prices.Output}
}

// spentOn sums up what answers cost that this run asked for itself.
func spentOn(lines map[string]remoteLine) (s remote.Spent) {
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		if l := lines[key]; l.From == "" {
			s.Add(l.Tries, l.In, l.Out, remote.Prices{})
		}
	}
	return s
}

// labelRemote is what label does for shards that are missing.
func (j *Job) labelRemote(ctx context.Context, f *shardSet[Row, labelLine], todo []int) error {
	asks, err := j.askRemote(ctx)
	if err != nil {
		return err
	}
	words := newLabelWords(&j.recipe.Task)
	for _, s := range todo {
		lines := make([]labelLine, len(f.parts[s]))
		for i, r := range f.parts[s] {
			l, _ := asks.of(r)
			lp, how := words.score(&l)
			if how == byAnswer && j.recipe.Teacher.Calibration != "none" {
				return &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("teacher.calibration is %s, and %s gives no log-probabilities to calibrate; write calibration: none", j.recipe.Teacher.Calibration, j.teacher.remote.Host)}
			}
			lines[i] = labelLine{r.ID, lp}
		}
		if err := f.put(s, lines); err != nil {
			return err
		}
	}
	return nil
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

// labelRemote is what label does for shards that are missing.
func (w *answerWork) labelRemote(ctx context.Context, todo []int) error {
	asks, err := w.j.askRemote(ctx)
	if err != nil {
		return err
	}
	shards := w.shards()
	for _, s := range todo {
		lines, err := w.remoteAnswers(asks, shards[s])
		got := answerShard{lines, nil}
		if err == nil {
			err = w.writeShard(s, shards[s], got)
		}
		if err == nil {
			err = w.keep(s, got)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
