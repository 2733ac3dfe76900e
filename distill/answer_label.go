package distill

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/freehold-slm/freehold/engine"
)

// label asks the teacher for the answers, their scores and the rationales that are not there.
func (w *answerWork) label(ctx context.Context) error {
	if err := os.MkdirAll(w.folder(), 0o777); err != nil {
		return err
	}
	if err := w.j.takeOver(); err != nil {
		return err
	}
	w.answers, w.top, w.packed, w.rationales = map[string]answerLine{}, map[string]*TopRow{}, packedTotals{}, map[string]rationaleLine{}
	todo, begun, err := w.collect()
	switch {
	case err != nil || len(todo) == 0:
		return err
	case w.j.teacher.remote != nil:
		shards := w.shards()
		return w.j.labelRemote(ctx, todo, func(s int, asks *remoteAsks) error {
			lines, err := w.remoteAnswers(asks, shards[s])
			got := answerShard{lines: lines}
			if err == nil {
				err = w.writeShard(s, shards[s], got)
			}
			if err != nil {
				return err
			}
			return w.keep(s, got)
		})
	}
	if err := w.fill(ctx, todo, begun); err != nil {
		return err
	}
	w.sayLabelled()
	return nil
}

// collect keeps the shards that are there, copies to this run what is another's, and lists the others (todo). Of some of these the answers are there (begun), to be scored or
// given reasons for.
func (w *answerWork) collect() (todo []int, begun map[int]answerShard, err error) {
	begun = map[int]answerShard{}
	for s, rows := range w.shards() {
		got, own, missing := w.find(s, rows)
		if missing != nil {
			w.j.again("labelling", missing)
			todo = append(todo, s)
			continue
		}
		if w.j.recipe.Train.MinConfidence == 0 { // no trace of a run that asked for more
			for i := range got.lines {
				got.lines[i].P = nil
			}
		}
		why, ownWhy, missing := w.rest(s, rows, got.lines)
		if missing != nil {
			if missing != errUnscored {
				w.j.again("asking for rationales", missing)
			}
			todo, begun[s] = append(todo, s), got
			continue
		}
		if err := w.keepRationales(s, rows, got.lines, why, !ownWhy); err != nil {
			return nil, nil, err
		}
		if bad := w.keep(s, got); bad != nil {
			w.j.again("labelling", bad)
			todo = append(todo, s)
			continue
		}
		if !own {
			if err := w.writeShard(s, rows, got); err != nil {
				return nil, nil, err
			}
		}
	}
	return todo, begun, nil
}

// fill has a teacher of this machine complete shards, together with all who are at the same run.
func (w *answerWork) fill(ctx context.Context, todo []int, begun map[int]answerShard) error {
	m, a, err := w.openTeacher()
	if err != nil {
		return err
	}
	defer m.Close()
	shards, fresh := w.shards(), 0
	tell := w.j.pace("label", "rows/s", len(w.j.labelled()))
	key := func(s int) string { return w.labelKey(shards[s]) }
	have := func(s int) error {
		got, err := w.readShard(w.folder(), s, key(s), shards[s])
		if err != nil {
			return err
		}
		why, own, err := w.rest(s, shards[s], got.lines)
		if err == nil {
			err = w.keepRationales(s, shards[s], got.lines, why, !own)
		}
		if err != nil {
			return err
		}
		return w.keep(s, got)
	}
	do := func(s int) error {
		done := len(w.answers)
		if err := w.complete(ctx, m, a, s, shards[s], begun[s], func(n int) { tell(done+n, fresh+n) }); err != nil {
			return err
		}
		fresh += len(shards[s])
		tell(len(w.answers), fresh)
		return nil
	}
	return w.j.share(ctx, todo, key, have, do)
}

// complete asks for what is missing of a shard, and keeps it: its answers before their rationales.
func (w *answerWork) complete(ctx context.Context, m *engine.Model, a *engine.Answerer, s int, rows []Row, got answerShard, progress func(done int)) error {
	half := progress
	if w.explains() { // the second half is the rationales
		half = func(n int) { progress(n / 2) }
	}
	got, err := w.answer(ctx, m, a, rows, got, half)
	if err == nil {
		err = w.writeShard(s, rows, got)
	}
	if err != nil {
		return err
	}
	why, _, err := w.findRationales(s, rows, got.lines)
	if err != nil {
		why, err = w.explain(ctx, m, rows, got.lines, func(n int) { progress((len(rows) + n) / 2) })
		if ctx.Err() != nil {
			return ErrInterrupted
		}
	}
	if err == nil {
		err = w.keepRationales(s, rows, got.lines, why, true)
	}
	if err != nil {
		return err
	}
	return w.keep(s, got)
}

// answer asks for the answers of a shard, where they are not there, and for their scores.
func (w *answerWork) answer(ctx context.Context, m *engine.Model, a *engine.Answerer, rows []Row, got answerShard, progress func(done int)) (answerShard, error) {
	var err error
	if got.lines == nil {
		got.lines, err = w.ask(ctx, a, rows, progress)
		if err == nil && w.needsTop() {
			got.top, err = w.scoreTop(ctx, m, a, rows, got.lines)
		}
	}
	if err == nil {
		err = w.score(ctx, a, rows, got.lines)
	}
	if err != nil && ctx.Err() != nil {
		err = ErrInterrupted
	}
	return got, err
}

// sayLabelled tells what was made, all in all.
func (w *answerWork) sayLabelled() {
	say := func(msg string) {
		n := len(w.j.labelled())
		w.j.event(Event{Stage: "label", Step: n, Total: n, Msg: msg})
	}
	if w.needsTop() {
		say(w.packed.String())
	}
	if s := w.reasoned(); s != nil {
		say(s.Says())
	}
	if s := w.sampled(make([]bool, len(w.j.data.Test))); s != nil {
		say(s.Says())
	}
}

// unscored are the lines that lack what the recipe asks: how sure the teacher is of its answers to training rows, where no vote tells. Answers that were
// cut are not learnt.
func (w *answerWork) unscored(rows []Row, lines []answerLine) (at []int) {
	for i, r := range rows {
		if w.j.recipe.Train.MinConfidence > 0 && w.j.recipe.Teacher.Choose != "vote" && w.learnt[r.ID] && w.asked[r.ID] && !lines[i].Cut && lines[i].Bad == "" && lines[i].P == nil {
			at = append(at, i)
		}
	}
	return at
}

// score lets the teacher read those answers again.
func (w *answerWork) score(ctx context.Context, a *engine.Answerer, rows []Row, lines []answerLine) error {
	at := w.unscored(rows, lines)
	texts, answers := make([]string, len(at)), make([]string, len(at))
	for i, k := range at {
		texts[i], answers[i] = rows[k].Text, lines[k].Answer
	}
	p, err := w.sure(ctx, a, texts, answers)
	if err != nil {
		return err
	}
	for i, k := range at {
		lines[k].P = &p[i]
	}
	return nil
}

// confidence is the geometric mean of the probabilities of the tokens of the teacher's answer, or with a vote the share of samples that gave it. A cut one
// has none, and is left out anyway.
func (w *answerWork) confidence(r Row) (p float64, label string, asked bool) {
	line := w.answers[r.ID]
	switch t := w.j.recipe.Teacher; {
	case t.Choose == "vote" && line.Agree > 0:
		return float64(line.Agree) / float64(t.Samples), "", true
	case line.P != nil:
		return *line.P, "", true
	}
	return 1, "", false
}

// openTeacher opens the teacher for the task.
func (w *answerWork) openTeacher() (*engine.Model, *engine.Answerer, error) {
	return w.j.openAnswerer(w.j.teacher.path, w.task())
}

// scoreTop reads each training row's answer with the teacher and packs what it held likely at every token. Rows that are
// only tested on, and cut answers, have none.
func (w *answerWork) scoreTop(ctx context.Context, m *engine.Model, a *engine.Answerer, rows []Row, lines []answerLine) ([]byte, error) {
	vocab := m.Spec.Vocab
	k := min(w.j.recipe.Train.TopLogits, vocab)
	shard := &TopShard{Key: w.labelKey(rows), Vocab: vocab, Tokens: tokensHash(m.Tokenizer()), K: k, Rows: make([]TopRow, len(rows))}
	var texts, answers []string
	var at []int
	for i, r := range rows {
		if !w.learnt[r.ID] || lines[i].Cut {
			continue
		}
		prompt, reply := a.Pair(nil, r.Text, lines[i].Answer)
		if n := len(prompt) + len(reply); n > m.Context() {
			return nil, &DataError{File: r.File, Line: r.Line, Msg: fmt.Sprintf("prompt and answer have %d tokens, the teacher's context is %d", n, m.Context()), Fix: "shorten the row"}
		}
		n := len(reply)
		shard.Rows[i] = TopRow{make([]int32, n*k), make([]float32, n*k), make([]float32, n)}
		texts, answers, at = append(texts, r.Text), append(answers, lines[i].Answer), append(at, i)
	}
	tmp := make([]float32, vocab)
	err := a.Read(ctx, texts, answers, func(i, t int, logits []float32) error {
		topOf(m.Level(), &shard.Rows[at[i]], t, k, logits, tmp)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b, err := shard.Encode()
	return b, errors.Join(err, ctx.Err())
}
