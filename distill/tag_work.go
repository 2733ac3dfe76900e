package distill

import (
	"context"
	"fmt"

	"github.com/freehold-slm/freehold/engine"
)

// headTags is the student.head of a task extract whose student marks the tokens of a text in place of writing JSON.
const headTags = "tags"

// checkTags refuses what a student that marks tokens cannot have.
func checkTags(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	if r.Student.Head == "" {
		return nil
	}
	if r.Student.Head != headTags {
		return []error{at(fmt.Sprintf("student.head is %q, want tags (the student marks the tokens of the text), or none (it writes JSON)", r.Student.Head), "student", "head")}
	}
	if r.Train.Loss != "ce" {
		errs = append(errs, at(fmt.Sprintf("train.loss is %s, and student.head is tags: tags are learnt from answers alone, with loss: ce", r.Train.Loss), "train", "loss"))
	}
	if r.Student.Prompt != "" {
		errs = append(errs, at("student.prompt is given, and student.head is tags: such a student reads the text alone; leave one out", "student", "prompt"))
	}
	if r.Train.OnPolicy.Share > 0 {
		errs = append(errs, at("train.on_policy is given, and student.head is tags: such a student writes no answers to learn from; leave one out", "train", "on_policy"))
	}
	if r.Student.Width != (Widths{}) {
		errs = append(errs, at("student.width is given, and student.head is tags: only students that write, or classify, are narrowed; leave one out", "student", "width"))
	}
	if _, ok := r.Eval.Gates["perplexity"]; ok {
		errs = append(errs, at("eval.gates has perplexity, and student.head is tags: such a student gives no probabilities of answers", "eval", "gates", "perplexity"))
	}
	if r.Task.Schema.inline() {
		if _, err := engine.NewTagging([]byte(r.Task.Schema)); err != nil {
			errs = append(errs, at(tagsRefused(err), "task", "schema"))
		}
	}
	return errs
}

func tagsRefused(err error) string {
	return fmt.Sprintf("task.schema does not go with student.head: tags: %v; leave student.head out for a student that writes JSON", err)
}

// fillTags puts in what a recipe with student.head does not say.
func fillTags(r *Recipe, head string, said func(path ...string) bool) {
	if r.Student.Head = head; head != headTags {
		return
	}
	if !said("train", "loss") {
		r.Train.Loss = "ce"
	}
	if !said("train", "top_logits") {
		r.Train.TopLogits = 0
	}
	if !said("train", "alpha") {
		r.Train.Alpha = 0
	}
}

// readTags fills in how a student that marks tokens reads rows: the text alone.
func (w *answerWork) readTags(r *reading) {
	r.encode = func(t *tokenizer, row Row) []int32 {
		ids, _ := w.tags.Tokens(t, row.Text)
		return ids
	}
}

// goldTags tells, before anything is labelled, which values of the gold answers cannot be learnt.
func (w *answerWork) goldTags() *TagAlignment {
	sum := &TagAlignment{Missing: map[string]int{}}
	for _, r := range w.j.learns().Train {
		values, err := valuesOf(w.tags, r.Answer)
		if r.Gold < 0 || err != nil {
			continue
		}
		_, missing := place(w.tags, r.Text, values)
		for f := range values {
			sum.Values += len(values[f])
		}
		for _, f := range missing {
			sum.Missing[w.tags.Fields[f].Name]++
		}
		sum.Rows++
	}
	sum.Exact = sum.Values - sum.missing()
	return sum
}

// tagExamples are the rows whose answer came to an end, with the tags that their answer gives.
func (w *answerWork) tagExamples(read *reading) ([]Example, error) {
	j := w.j
	var ex []Example
	sum := &TagAlignment{}
	rows, unused := j.learns().Train, 0
	for _, r := range rows {
		line := w.answers[r.ID]
		if line.Cut || line.Bad != "" {
			unused++
			continue
		}
		answer := r.Answer
		if r.Gold < 0 {
			answer = line.Answer
		}
		ids, at := w.tags.Tokens(read.base, r.Text)
		if len(ids) > j.recipe.Train.MaxTokens {
			return nil, j.tooLong(r, len(ids))
		}
		tags, learnt, err := tagsOf(w.tags, r.Text, at, answer, sum)
		if err != nil {
			return nil, &DataError{File: r.File, Line: r.Line, Msg: fmt.Sprintf("the answer %.60q %v", answer, err)}
		}
		if learnt {
			ex = append(ex, Example{ID: r.ID, Tokens: read.small(ids), Tags: tags})
		}
	}
	if len(ex) == 0 {
		return nil, &DataError{File: j.recipe.file, Msg: fmt.Sprintf("no answer can be learnt as tags: %d of %d did not come to an end or are not of task.schema; of the others no value stands in its text", unused, len(rows)),
			Fix: "tell in task.prompt that values are copied word for word, or leave student.head out"}
	}
	if unused > 0 {
		j.warn(fmt.Sprintf("%d of %d training rows are left out, for the teacher's answer did not end within task.max_tokens %d or is not of task.schema", unused, len(rows), j.recipe.Task.MaxTokens))
	}
	w.marked = sum
	j.event(Event{Stage: "train", Msg: "tags: " + sum.String()})
	return ex, nil
}

// tagMeasure is measure of a form that marks tokens: its divergence is of the tags of each token of the test texts.
func (w *answerWork) tagMeasure(ctx context.Context, a *engine.Answerer, texts []string, f *form) error {
	k := len(w.tags.Names())
	err := a.Tagger().Read(ctx, texts[:min(len(texts), ladderRows)], func(_ int, at []engine.TextSpan, logits []float32) error {
		for i := range at {
			row := make([]float64, k)
			for t, v := range logits[i*k : i*k+k] {
				row[t] = float64(v)
			}
			f.lp = append(f.lp, logSoftmax(row))
		}
		return nil
	})
	f.from = func(_ context.Context, full *form) (kl []float64, err error) {
		for i, lp := range f.lp {
			kl = append(kl, divergence(full.lp[i], lp))
		}
		return kl, nil
	}
	return err
}

// writeTags keeps the schema, whose fields the tags are of.
func (w *answerWork) writeTags(b *Base) {
	meta := metaList(b.Meta)
	meta.Set(engine.KeyTaskSchema, string(w.schema))
	b.Meta = meta
}

// tagAlignment is what the training rows' answers came to as tags, for the summary; where the train stage did not run here they are aligned again.
func (w *answerWork) tagAlignment() (*TagAlignment, error) {
	if w.tags == nil || w.marked != nil {
		return w.marked, nil
	}
	err := w.examplesAgain()
	return w.marked, err
}

// planTags is what a plan says of a student that marks tokens, "" of another.
func (j *Job) planTags() string {
	w, ok := j.work.(*answerWork)
	if !ok || w.tags == nil {
		return ""
	}
	what := fmt.Sprintf(", %d tags", len(w.tags.Names()))
	if gold := w.goldTags(); gold.Rows > 0 {
		what += "; of gold answers " + gold.String()
	}
	return what
}
