package distill

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/gguf"
)

// What the types of task have in common that are answered with text.
var (
	answerKeys    = []string{"task.max_tokens", "student.prompt", "teacher.samples", "teacher.temperature", "teacher.choose", "train.top_logits", "train.alpha", "train.on_policy", "train.rationale"}
	answerLosses  = []string{"ce", "mixed_topk", "topk_forward_kl", "topk_rest_kl"}
	answerMetrics = []string{"agreement", "retention", "over_baseline", "size_ratio", "speed_ratio"}
)

// fillAnswers puts in what a recipe does not say.
func fillAnswers(r *Recipe, said func(path ...string) bool) {
	r.Student.Head, r.Teacher.Calibration = "", ""
	if !said("train", "loss") {
		r.Train.Loss = "mixed_topk"
	}
	if !said("task", "max_tokens") {
		r.Task.MaxTokens = 256
	}
	r.Teacher.fillSamples(said)
	if r.Train.Loss != "ce" && !said("train", "top_logits") {
		r.Train.TopLogits = 32
	}
	if r.Train.Loss == "mixed_topk" && !said("train", "alpha") {
		r.Train.Alpha = 0.5
	}
	fillOnPolicy(r, said)
	fillRationale(r, said)
}

func checkAnswers(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	whole := func(v, hi int, path ...string) {
		if v < 1 || v > hi {
			errs = append(errs, at(fmt.Sprintf("%s.%s is %d, want 1 to %d", path[0], path[1], v, hi), path...))
		}
	}
	if p := r.Student.Prompt; p != "" && strings.Count(p, "{text}") != 1 {
		errs = append(errs, at(fmt.Sprintf("student.prompt holds {text} %d times, want once", strings.Count(p, "{text}")), "student", "prompt"))
	}
	whole(r.Task.MaxTokens, 1<<20, "task", "max_tokens")
	errs = append(errs, r.Teacher.checkSamples(at)...)
	if r.Train.Loss == "ce" && (r.Train.TopLogits != 0 || r.Train.Alpha != 0) {
		errs = append(errs, at("train.loss is ce, which learns from the answers alone; leave train.top_logits and train.alpha out", "train", "loss"))
	} else if r.Train.Loss != "ce" {
		whole(r.Train.TopLogits, maxTopK, "train", "top_logits")
	}
	if r.Train.Alpha < 0 || r.Train.Alpha > 1 || r.Train.Alpha != 0 && r.Train.Loss != "mixed_topk" {
		errs = append(errs, at(fmt.Sprintf("train.alpha is %v, want 0 to 1, with loss: mixed_topk alone", r.Train.Alpha), "train", "alpha"))
	}
	if r.Train.Loss == "topk_rest_kl" && r.Train.Temperature != 1 {
		errs = append(errs, at("train.temperature is not 1, and what topk_rest_kl leaves out is known at 1 alone", "train", "temperature"))
	}
	return append(append(errs, checkOnPolicy(r, at)...), checkRationale(r, at)...)
}

// answerWork: the student learns to give answers, gold where rows have them and the teacher's elsewhere, and what the
// teacher holds likely at each of their tokens.
type answerWork struct {
	j       *Job
	main    string           // metric that retention, the baseline's distance and the quantised files are measured by
	schema  []byte           // nil = any text
	rule    *grammar.Grammar // of schema
	asked   map[string]bool  // rows that the teacher answers: those without a gold answer, and all test rows
	learnt  map[string]bool  // training rows
	answers map[string]answerLine
	top     map[string]*TopRow // by row id; nil = the loss needs none
	packed  packedTotals
	tokens  string     // hash of the vocabulary that top is of; "" = it does not say
	aligned *Alignment // of a teacher with other tokens, once there are examples

	tags       *engine.Tagging          // of a student that marks tokens; nil = it writes its answers
	marked     *TagAlignment            // once there are examples
	rationales map[string]rationaleLine // by row id, of rows that the teacher gave reasons for
}

func newAnswerWork(j *Job, main string) (*answerWork, error) {
	w := &answerWork{j: j, main: main, asked: map[string]bool{}, learnt: map[string]bool{}}
	for _, r := range j.data.Train {
		w.asked[r.ID], w.learnt[r.ID] = r.Gold < 0, true
	}
	for _, r := range j.data.Test {
		w.asked[r.ID] = true
	}
	return w, nil
}

func (w *answerWork) key() string { return string(w.schema) }

// needsTop tells whether the loss learns from the teacher's probabilities.
func (w *answerWork) needsTop() bool { return w.j.recipe.Train.Loss != "ce" }

func (w *answerWork) task() engine.TextTask {
	t := w.j.recipe.Task
	return engine.TextTask{Prompt: t.Prompt, System: t.System, Schema: w.schema, MaxTokens: t.MaxTokens}
}

// own is the task as the student reads it.
func (w *answerWork) own() engine.TextTask {
	t := w.task()
	if p := w.j.recipe.Student.Prompt; p != "" {
		t.Prompt, t.System = p, ""
	}
	return t
}

// read puts the student's prompt around a row's text and its answer after it: that of the labels, or before they are there the gold one.
func (w *answerWork) read(f *gguf.File, r *reading) error {
	if w.tags != nil {
		w.readTags(r)
		return nil
	}
	m, err := engine.New(f, engine.WithThreads(1), engine.WithLevel(w.j.level))
	if err != nil {
		return err
	}
	defer m.Close()
	a, err := m.NewAnswerer(w.own())
	if err != nil {
		return err
	}
	r.pair = func(t *tokenizer, row Row) (prompt, reply []int32) {
		answer := row.Answer
		if known, ok := w.answers[row.ID]; ok && row.Gold < 0 {
			answer = known.Answer
		}
		return a.Pair(t, row.Text, answer)
	}
	r.encode = func(t *tokenizer, row Row) []int32 {
		prompt, reply := r.pair(t, row)
		return append(prompt, reply...)
	}
	return w.readRationales(m, r)
}

// check refuses gold answers that are never reached, prompts that leave no room for an answer, and a student whose tokens
// are not the teacher's, where it could not learn from the teacher's probabilities of them.
func (w *answerWork) check(r *reading) error {
	if w.tags != nil {
		return nil
	}
	j, max := w.j, w.j.recipe.Task.MaxTokens
	if err := w.checkOwn(r); err != nil {
		return err
	}
	if err := w.checkRationales(r); err != nil {
		return err
	}
	room := j.base.spec.Context
	if j.teacher.spec != nil { // a remote teacher tells when a row is too long
		room = min(room, j.teacher.spec.Context)
	}
	for _, rows := range [][]Row{j.data.Train, j.data.Test} {
		for _, row := range rows {
			prompt, reply := r.pair(r.base, row)
			if row.Gold >= 0 && len(reply) > max {
				return &DataError{File: row.File, Line: row.Line, Msg: fmt.Sprintf("the answer has %d tokens with the end of the turn, task.max_tokens is %d", len(reply), max), Fix: "raise task.max_tokens or shorten the answer"}
			}
			if room > 0 && len(prompt)+max > room {
				return &DataError{File: row.File, Line: row.Line, Msg: fmt.Sprintf("the prompt has %d tokens and the answer up to %d (task.max_tokens), the context %d", len(prompt), max, room), Fix: "shorten the row or lower task.max_tokens"}
			}
		}
	}
	_, err := w.otherTeacher(r.base)
	return err
}

func (w *answerWork) shape(p *Prune) {
	if w.tags != nil {
		p.Tags = w.tags.Names()
	}
}

// write keeps prompt, schema and length.
func (w *answerWork) write(b *Base) error {
	if w.tags != nil {
		w.writeTags(b)
		return nil
	}
	t, meta := w.own(), metaList(b.Meta)
	meta.Set(engine.KeyTaskPrompt, t.Prompt)
	if t.System != "" {
		meta.Set(engine.KeyTaskSystem, t.System)
	}
	if t.Schema != nil {
		meta.Set(engine.KeyTaskSchema, string(t.Schema))
	}
	meta.Set(engine.KeyTaskMaxTokens, uint32(t.MaxTokens))
	b.Meta = meta
	return nil
}

// examples are the rows whose answer came to an end, with the teacher's tokens mapped to the student's; those that the
// student does not have are left out of the teacher's list.
func (w *answerWork) examples(read *reading) ([]Example, error) {
	if w.tags != nil {
		return w.tagExamples(read)
	}
	j := w.j
	cross, err := w.newCross(read)
	if err != nil {
		return nil, err
	}
	var ex []Example
	rows, bad := j.learns().Train, 0
	for _, r := range rows {
		line := w.answers[r.ID]
		if line.Bad != "" {
			bad++
		}
		if line.Cut || line.Bad != "" {
			continue
		}
		prompt, reply := read.pair(read.base, r)
		if n := len(prompt) + len(reply); n > j.recipe.Train.MaxTokens {
			return nil, j.tooLong(r, n)
		}
		all := read.small(append(prompt, reply...))
		n := len(all) - len(reply)
		e := Example{ID: r.ID, Tokens: all[:len(all)-1], Answer: &AnswerTargets{Labels: all[n:]}, Rationale: read.rationaleExample(r)}
		if cross != nil {
			if e.Answer.IDs, e.Answer.LogProbs, err = cross.learn(r, w.top[r.ID], line.Answer, reply, e.Answer.Labels); err != nil {
				return nil, err
			}
		} else if w.needsTop() {
			row := w.top[r.ID]
			if row == nil || len(row.Rest) != len(reply) {
				return nil, &DataError{File: r.File, Line: r.Line, Msg: fmt.Sprintf("the answer's %d tokens after the student's prompt are others after the teacher's", len(reply)), Fix: "end student.prompt as task.prompt ends, or take loss: ce"}
			}
			e.Answer.IDs, e.Answer.LogProbs = row.mapped(read.keep)
		}
		ex = append(ex, e)
	}
	if len(ex) == 0 && bad > 0 {
		return nil, &DataError{File: j.recipe.file, Msg: fmt.Sprintf("no answer of the teacher can be learnt: %d of %d are empty, refused or not of task.schema", bad, len(rows)), Fix: "look at " + filepath.Join(j.dir, remoteName)}
	}
	if len(ex) == 0 {
		return nil, &DataError{File: j.recipe.file, Msg: "no answer of the teacher came to an end", Fix: "raise task.max_tokens"}
	}
	if bad > 0 {
		j.warn(fmt.Sprintf("%d of %d training rows are left out, for the teacher's answer is empty, refused or not of task.schema (%s)", bad, len(rows), filepath.Join(j.dir, remoteName)))
	}
	if cut := len(rows) - len(ex) - bad; cut > 0 {
		j.warn(fmt.Sprintf("%d of %d training rows are left out, for the teacher's answer did not end within task.max_tokens %d", cut, len(rows), j.recipe.Task.MaxTokens))
	}
	if cross != nil && w.aligned == nil {
		sum := cross.sum
		w.aligned = &sum
		j.event(Event{Stage: "train", Msg: sum.String()})
		if sum.Mapped < float64(sum.StudentTokens)/2 {
			j.warn(fmt.Sprintf("train.loss %s learns little from this teacher; more train.top_logits or student.vocab: full may help, and ce on its answers may do as well: %s",
				j.recipe.Train.Loss, sum))
		}
	}
	return ex, nil
}

// examplesAgain makes the examples where the train stage did not run here, for what they tell of the answers.
func (w *answerWork) examplesAgain() error {
	f, err := gguf.Open(w.j.base.path)
	if err != nil {
		return err
	}
	defer f.Close()
	read, err := w.j.newReading(f)
	if err == nil {
		_, err = w.examples(read)
	}
	return err
}

// mapped gives each token's entries by the ids of a trimmed vocabulary; nil = a whole one.
func (t *TopRow) mapped(keep []int32) (ids [][]int32, lp [][]float32) {
	n := len(t.Rest)
	k := len(t.IDs) / max(1, n)
	for i := range n {
		one, p := make([]int32, 0, k), make([]float32, 0, k)
		for e := i * k; e < i*k+k; e++ {
			id, ok := t.IDs[e], true
			if keep != nil {
				var at int
				at, ok = slices.BinarySearch(keep, id)
				id = int32(at)
			}
			if ok {
				one, p = append(one, id), append(p, t.LogProbs[e])
			}
		}
		ids, lp = append(ids, one), append(lp, p)
	}
	return ids, lp
}
