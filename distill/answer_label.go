package distill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// answerLine is one row of a shard of answers.
type answerLine struct {
	ID     string `json:"id"`
	Answer string `json:"answer"`
	Gold   bool   `json:"gold,omitempty"` // the row's own: the teacher was not asked
	Cut    bool   `json:"cut,omitempty"`  // it did not end within task.max_tokens

	Agree int `json:"agree,omitempty"` // how many of several samples gave this answer

	Bad string `json:"bad,omitempty"` // why a remote teacher's is not learnt: refused, empty, not of the schema

	P *float64 `json:"p,omitempty"` // with train.min_confidence: how sure the teacher is of its answer to a training row
}

const answerSchema = "freehold/answers/1"

// answerShardRows is how many rows a shard of answers holds; an answer takes longer than a label.
const answerShardRows = 32

// packedTotals sums up the packed shards of a run.
type packedTotals struct {
	Tokens int
	Bytes  int64
	KL, P  float64
}

func (p *packedTotals) add(s *TopShard, bytes int) {
	n := 0
	for _, r := range s.Rows {
		n += len(r.Rest)
	}
	if n > 0 {
		p.KL = (float64(p.KL*float64(p.Tokens)) + float64(s.Error.KL*float64(n))) / float64(p.Tokens+n)
	}
	p.P = max(p.P, s.Error.P)
	p.Tokens += n
	p.Bytes += int64(bytes)
}

// String is the figure for people.
func (p *packedTotals) String() string {
	return fmt.Sprintf("%d answer tokens at %.1f bytes; packing costs %.2g nats a token, no probability is off by more than %.2g", p.Tokens, float64(p.Bytes)/float64(max(1, p.Tokens)), p.KL, p.P)
}

// shards are the rows to label, cut: the training rows, and the test rows, by whose answers the teacher is judged.
func (w *answerWork) shards() [][]Row {
	return slices.Collect(slices.Chunk(w.j.labelled(), answerShardRows))
}

// labelKey identifies the question that a shard answers: teacher, prompt, parameters, seed and rows.
func (w *answerWork) labelKey(rows []Row) string {
	r := w.j.recipe
	seed := ""
	if r.Teacher.Samples > 1 {
		seed = strings.Join(append([]string{strconv.FormatUint(r.Train.Seed, 10), r.Teacher.Choose}, r.Teacher.VoteOn...), " ")
	}
	parts := []string{answerSchema, w.j.teacher.sha256, r.Task.Prompt, r.Task.System, string(w.schema), strconv.Itoa(r.Task.MaxTokens), r.Numeric,
		strconv.Itoa(r.Teacher.Samples), strconv.FormatFloat(r.Teacher.Temperature, 'g', -1, 64), seed, strconv.Itoa(r.Train.TopLogits)}
	for _, row := range rows {
		if parts = append(parts, row.ID, row.Text); !w.asked[row.ID] {
			parts = append(parts, "gold", row.Answer)
		}
	}
	return hashOf(parts...)
}

func (w *answerWork) missing() (missing, all int) {
	for s, rows := range w.shards() {
		lines, _, _, err := w.find(s, rows)
		if err == nil {
			_, _, err = w.findRationales(s, rows, lines)
		}
		if err != nil || w.unscored(rows, lines) != nil {
			missing++
		}
		all++
	}
	return missing, all
}

// find reads shard s of this run (dir = "") or of another that asked the same, rather one whose answers are scored as this recipe wants. The error is
// about this run's shard.
func (w *answerWork) find(s int, rows []Row) (lines []answerLine, top []byte, dir string, err error) {
	j := w.j
	key := w.labelKey(rows)
	if lines, top, err = w.readShard(filepath.Join(j.dir, "labels"), s, key, rows); err == nil {
		return lines, top, "", nil
	}
	for _, run := range j.otherRuns() {
		other := filepath.Join(run, "labels")
		if l, b, bad := w.readShard(other, s, key, rows); bad == nil {
			lines, top, dir, err = l, b, other, nil
			if w.unscored(rows, lines) == nil {
				break
			}
		}
	}
	return lines, top, dir, err
}

func topPath(dir string, s int) string { return filepath.Join(dir, fmt.Sprintf("shard-%05d.top", s)) }

// readShard reads a shard's answers and, where the loss needs it, the packed probabilities beside it.
func (w *answerWork) readShard(dir string, s int, key string, rows []Row) ([]answerLine, []byte, error) {
	path := shardPath(dir, s)
	h, lines, err := readLines[answerLine](path, answerSchema, key, len(rows))
	if err != nil {
		return nil, nil, err
	}
	for i, r := range rows {
		if lines[i].ID != r.ID {
			return nil, nil, fmt.Errorf("%s: line %d is of row %.40q, want %.40q", path, i+2, lines[i].ID, r.ID)
		}
	}
	if !w.needsTop() {
		return lines, nil, nil
	}
	b, err := os.ReadFile(topPath(dir, s))
	if err != nil {
		return nil, nil, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != h.Top {
		return nil, nil, fmt.Errorf("%s: sha256 is %x, %s says %.64q", topPath(dir, s), sum, filepath.Base(path), h.Top)
	}
	return lines, b, nil
}

// writeShard publishes a shard: the packed file first, for the other names its hash.
func (w *answerWork) writeShard(s int, rows []Row, lines []answerLine, top []byte) error {
	dir := filepath.Join(w.j.dir, "labels")
	h := shardHeader{Schema: answerSchema, Key: w.labelKey(rows)}
	if top != nil {
		if err := w.j.writeShared(topPath(dir, s), top); err != nil {
			return err
		}
		sum := sha256.Sum256(top)
		h.Top = hex.EncodeToString(sum[:])
	}
	return writeLines(w.j, shardPath(dir, s), h, lines)
}

// label asks the teacher about the rows and keeps its answers in hashed shards. Shards that are whole are not asked for
// again.
func (w *answerWork) label(ctx context.Context) error {
	j := w.j
	if err := os.MkdirAll(filepath.Join(j.dir, "labels"), 0o777); err != nil {
		return err
	}
	if err := j.takeOver(); err != nil {
		return err
	}
	w.answers, w.top, w.packed, w.rationales = map[string]answerLine{}, map[string]*TopRow{}, packedTotals{}, map[string]rationaleLine{}
	keep := func(s int, lines []answerLine, top []byte) error {
		for _, l := range lines {
			w.answers[l.ID] = l
		}
		if top == nil {
			return nil
		}
		shard, err := ParseTopShard(topPath(filepath.Join(j.dir, "labels"), s), top)
		if err == nil && len(shard.Rows) != len(lines) {
			err = fmt.Errorf("%s: holds %d rows, want %d", topPath(filepath.Join(j.dir, "labels"), s), len(shard.Rows), len(lines))
		}
		if err != nil {
			return err
		}
		for i, l := range lines {
			w.top[l.ID] = &shard.Rows[i]
		}
		w.packed.add(shard, len(top))
		w.tokens = shard.Tokens
		return nil
	}
	type begun struct {
		lines []answerLine
		top   []byte
	}
	var todo []int
	unfinished := map[int]begun{} // by shard: answers that are there, to be scored or given reasons for
	shards := w.shards()
	for s, rows := range shards {
		lines, top, dir, err := w.find(s, rows)
		if err == nil && j.recipe.Train.MinConfidence == 0 { // no trace of a run that asked for more
			for i := range lines {
				lines[i].P = nil
			}
		}
		if err == nil && w.unscored(rows, lines) != nil {
			todo, unfinished[s] = append(todo, s), begun{lines, top}
			continue
		}
		if err == nil {
			why, from, missing := w.findRationales(s, rows, lines)
			if missing != nil {
				if !os.IsNotExist(missing) {
					j.warn(fmt.Sprintf("asking for rationales again: %v", missing))
				}
				todo, unfinished[s] = append(todo, s), begun{lines, top}
				continue
			}
			if err = w.keepRationales(s, rows, lines, why, from != ""); err != nil {
				return err
			}
			err = keep(s, lines, top)
		}
		if err == nil && dir != "" {
			if err := w.writeShard(s, rows, lines, top); err != nil {
				return err
			}
		}
		if err != nil {
			if !os.IsNotExist(err) {
				j.warn(fmt.Sprintf("labelling again: %v", err))
			}
			todo = append(todo, s)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	if j.teacher.remote != nil {
		asks, err := j.askRemote(ctx)
		if err != nil {
			return err
		}
		for _, s := range todo {
			lines, err := w.remoteAnswers(asks, shards[s])
			if err == nil {
				err = w.writeShard(s, shards[s], lines, nil)
			}
			if err == nil {
				err = keep(s, lines, nil)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	m, a, err := w.openTeacher()
	if err != nil {
		return err
	}
	defer m.Close()
	start, fresh, total := time.Now(), 0, len(j.labelled())
	have := func(s int) error {
		lines, top, err := w.readShard(filepath.Join(j.dir, "labels"), s, w.labelKey(shards[s]), shards[s])
		if err == nil && w.unscored(shards[s], lines) != nil {
			err = fmt.Errorf("%s: not scored yet", shardPath(filepath.Join(j.dir, "labels"), s))
		}
		if err != nil {
			return err
		}
		why, from, err := w.findRationales(s, shards[s], lines)
		if err == nil {
			err = w.keepRationales(s, shards[s], lines, why, from != "")
		}
		if err != nil {
			return err
		}
		return keep(s, lines, top)
	}
	do := func(s int) error {
		rows, lines, top := shards[s], unfinished[s].lines, unfinished[s].top
		done := len(w.answers)
		progress := func(n int) {
			rate := float64(fresh+n) / time.Since(start).Seconds()
			j.event(Event{Stage: "label", Step: done + n, Total: total, Rate: rate, Unit: "rows/s", ETA: eta(total-done-n, rate)})
		}
		half := progress
		if w.explains() { // the second half is the rationales
			half = func(n int) { progress(n / 2) }
		}
		var err error
		if lines == nil {
			lines, err = w.ask(ctx, a, rows, half)
			if err == nil && w.needsTop() {
				top, err = w.scoreTop(ctx, m, a, rows, lines)
			}
		}
		if err == nil {
			err = w.score(ctx, a, rows, lines)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			return err
		}
		if err := w.writeShard(s, rows, lines, top); err != nil {
			return err
		}
		why, _, err := w.findRationales(s, rows, lines)
		if err != nil {
			if why, err = w.explain(ctx, m, rows, lines, func(n int) { progress((len(rows) + n) / 2) }); ctx.Err() != nil {
				return ErrInterrupted
			}
		}
		if err == nil {
			err = w.keepRationales(s, rows, lines, why, true)
		}
		if err == nil {
			err = keep(s, lines, top)
		}
		if err != nil {
			return err
		}
		fresh += len(rows)
		rate := float64(fresh) / time.Since(start).Seconds()
		j.event(Event{Stage: "label", Step: len(w.answers), Total: total, Rate: rate, Unit: "rows/s", ETA: eta(total-len(w.answers), rate)})
		return nil
	}
	if err := j.share(ctx, todo, func(s int) string { return w.labelKey(shards[s]) }, have, do); err != nil {
		return err
	}
	if w.needsTop() {
		j.event(Event{Stage: "label", Step: total, Total: total, Msg: w.packed.String()})
	}
	if s := w.reasoned(); s != nil {
		j.event(Event{Stage: "label", Step: total, Total: total, Msg: s.Says()})
	}
	if s := w.sampled(make([]bool, len(j.data.Test))); s != nil {
		j.event(Event{Stage: "label", Step: total, Total: total, Msg: s.Says()})
	}
	return nil
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

// recall is label where every answer is there.
func (w *answerWork) recall() error {
	w.answers, w.rationales = map[string]answerLine{}, map[string]rationaleLine{}
	for s, rows := range w.shards() {
		lines, _, _, err := w.find(s, rows)
		if err != nil {
			return err
		}
		why, _, err := w.findRationales(s, rows, lines)
		if err == nil {
			err = w.keepRationales(s, rows, lines, why, false)
		}
		if err != nil {
			return err
		}
		for _, l := range lines {
			w.answers[l.ID] = l
		}
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
	numeric := engine.Normal
	if w.j.recipe.Numeric == "reference" {
		numeric = engine.Reference
	}
	m, err := engine.Open(w.j.teacher.path, engine.WithThreads(w.j.opt.Threads), engine.WithLevel(w.j.level), engine.WithNumeric(numeric))
	if err != nil {
		return nil, nil, err
	}
	a, err := m.NewAnswerer(w.task())
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return m, a, nil
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
