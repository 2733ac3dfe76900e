package distill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/distill/remote"
)

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

// remoteAsks makes the questions and finds the answers that there are.
func (j *Job) remoteAsks() (*remoteAsks, error) {
	a := &remoteAsks{keys: map[string]string{}, wanted: map[string]bool{}}
	w, t := j.remoteWork(), j.recipe.Task
	all, open := w.remoteRows()
	seen := map[string]bool{}
	for _, r := range all {
		q := &remote.Request{Model: j.recipe.Teacher.Model, System: t.System, User: strings.Replace(t.Prompt, "{text}", r.Text, 1), Params: j.recipe.Teacher.Params}
		err := w.request(q)
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

// labelRemote asks the remote teacher and has the shards of todo made of its answers.
func (j *Job) labelRemote(ctx context.Context, todo []int, shard func(s int, asks *remoteAsks) error) error {
	asks, err := j.askRemote(ctx)
	for _, s := range todo {
		if err == nil {
			err = shard(s, asks)
		}
	}
	return err
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
	j.remoteWork().noteTokens(&l, got.Tokens)
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
