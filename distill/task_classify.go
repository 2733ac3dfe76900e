package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/spell"
)

func init() {
	taskTypes["classify"] = taskType{
		keys: []string{"task.labels", "task.words", "task.abstain_below", "task.prompts", "teacher.calibration", "teacher.adapt", "teacher.ensemble", "student.head", "student.attention", "student.calibration", "train.gold", "train.match", "train.keep",
			"data.augment.per_label", "data.augment.prompt", "data.augment.examples", "data.augment.keep", "data.augment.min_confidence"},
		losses:  []string{"ce", "forward_kl", "reverse_kl", "jsd", "skew_kl", "skew_reverse_kl", "tv"},
		metrics: []string{"accuracy", "macro_f1", "ece", "agreement", "retention", "over_baseline", "over_pairs", "size_ratio", "speed_ratio", "flops_ratio"},
		check:   checkClassify,
		fill: func(r *Recipe, said func(path ...string) bool) {
			r.Data.Augment.fillKeep()
			r.Teacher.Ensemble.fill(said)
			if r.Teacher.Adapt.fill(); r.adapts() && !said("teacher", "calibration") {
				r.Teacher.Calibration = "none" // it has learnt how frequent the labels are
			}
		},
		work: func(j *Job) (work, error) { return &classifyWork{j: j}, nil },
	}
}

// checkClassify holds labels and their words against each other.
func checkClassify(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	if len(r.Task.Labels) < 2 {
		errs = append(errs, at(fmt.Sprintf("task.labels has %d labels, want at least 2", len(r.Task.Labels)), "task", "labels"))
	}
	if p := r.Task.AbstainBelow; p < 0 || p > 1 {
		errs = append(errs, at(fmt.Sprintf("task.abstain_below is %v, want a probability from 0 (never) to 1", p), "task", "abstain_below"))
	}
	for i, p := range r.Task.Prompts {
		if n := strings.Count(p, "{text}"); n != 1 || p == r.Task.Prompt || slices.Contains(r.Task.Prompts[:i], p) {
			errs = append(errs, at(fmt.Sprintf("task.prompts[%d] holds {text} %d times, want once, or is given twice", i, n), "task", "prompts"))
		}
	}
	for i, l := range r.Task.Labels {
		if strings.TrimSpace(l) == "" || slices.Contains(r.Task.Labels[:i], l) {
			errs = append(errs, at(fmt.Sprintf("label %q in task.labels is empty or given twice", l), "task", "labels"))
		}
	}
	for _, l := range sortedKeys(r.Task.Words) {
		if !slices.Contains(r.Task.Labels, l) {
			errs = append(errs, at(spell.Unknown("label", l, "task.words", r.Task.Labels), "task", "words", l))
		} else if len(r.Task.Words[l]) == 0 || slices.Contains(r.Task.Words[l], "") {
			errs = append(errs, at(fmt.Sprintf("task.words of label %q are empty", l), "task", "words", l))
		}
	}
	return append(append(errs, checkAdapt(r, at)...), checkEnsemble(r, at)...)
}

// classifyWork: the teacher gives probabilities of the labels, and the student learns to give the same.
type classifyWork struct {
	j      *Job
	labels Labels
	cal    *engine.Calibration
	apart  []opinion // of each teacher; labels and cal are what they say together
}

func (w *classifyWork) key() string { return "" }

func (w *classifyWork) label(ctx context.Context) error {
	return w.gather(func(l labeller) (Labels, error) {
		return w.j.label(ctx, l, func() (asker, func(), error) {
			c, close, err := w.j.teacherClassifier(l, nil)
			if err != nil {
				return nil, nil, err
			}
			return byText(c.LogProbs), close, nil
		})
	})
}

func (w *classifyWork) recall() error { return w.gather(w.j.recall) }

// gather gets what each teacher says of the rows.
func (w *classifyWork) gather(from func(l labeller) (Labels, error)) error {
	var all []Labels
	var others error // of a worker that has labelled its own part
	for _, l := range w.j.labellers() {
		labels, err := from(l)
		if errors.Is(err, errOthers) {
			others = err
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, labels)
	}
	if others != nil {
		return others
	}
	return w.pool(all)
}

// confidence is the probability of the likeliest label, calibrated. A person's word, where it counts, needs no confidence of the teacher's.
func (w *classifyWork) confidence(r Row) (p float64, label string, asked bool) {
	if r.Corrected || r.Gold >= 0 && w.j.recipe.Train.Gold > 0 {
		return 1, "", false
	}
	lp := calibrated(w.labels[r.ID], w.cal)
	best := argmax(lp)
	return max(kernels.Exp(lp[best]), 1/float64(len(lp))), w.j.recipe.Task.Labels[best], true // a tie is no less, whatever Exp rounds to
}

func (w *classifyWork) missing() (missing, all int) {
	for _, l := range w.j.labellers() {
		m, n := w.j.missingOf(l)
		missing, all = missing+m, all+n
	}
	return missing, all
}

// read takes the text alone for a pooled head, the teacher's prompt around it for label words.
func (w *classifyWork) read(f *gguf.File, r *reading) error {
	j := w.j
	r.encode = func(t *tokenizer, row Row) []int32 { return engine.EncodeText(t, row.Text) }
	if j.recipe.Student.Head != "words" {
		return nil
	}
	m, err := engine.New(f, engine.WithThreads(1), engine.WithLevel(j.level))
	if err != nil {
		return err
	}
	task := j.recipe.Task
	c, err := m.NewClassifier(engine.Task{Labels: task.Labels, Prompt: task.Prompt, System: task.System, Words: task.Words})
	if err != nil {
		return err
	}
	if r.first, err = c.FirstTokens(); err != nil {
		return err
	}
	r.encode = func(t *tokenizer, row Row) []int32 { return c.TokensWith(t, row.Text) }
	return nil
}

func (w *classifyWork) check(*reading) error { return nil }

func (w *classifyWork) shape(p *Prune) {
	if w.j.recipe.Student.Head == "pooled" {
		p.Labels = w.j.recipe.Task.Labels
	}
}

// write keeps how the teacher (of several the first) was asked, for texts that the student is not sure of, and the prompt and the labels; a pooled
// head needs none.
func (w *classifyWork) write(b *Base) error {
	t, meta := w.j.recipe.Task, metaList(b.Meta)
	teacher, err := engine.EncodeTeacherTask(engine.Task{Prompt: t.Prompt, System: t.System, Words: t.Words, Calibration: w.apart[0].cal})
	if err == nil && w.j.teacher.remote != nil {
		teacher, err = w.j.remoteTask()
	}
	if err != nil {
		return err
	}
	meta.Set(engine.KeyTeacherTask, teacher)
	if w.j.adapted != nil {
		meta.Set(engine.KeyTeacherAdapter, w.j.adapted.SHA256)
	}
	if t.AbstainBelow > 0 {
		meta.Set(engine.KeyAbstainBelow, t.AbstainBelow)
	}
	b.Meta = meta
	if w.j.recipe.Student.Head == "pooled" {
		return nil
	}
	meta.Set(engine.KeyTaskLabels, t.Labels)
	meta.Set(engine.KeyTaskPrompt, t.Prompt)
	if t.System != "" {
		meta.Set(engine.KeyTaskSystem, t.System)
	}
	if t.Words != nil {
		words, err := json.Marshal(t.Words)
		if err != nil {
			return err
		}
		meta.Set(engine.KeyTaskWords, string(words))
	}
	b.Meta = meta
	return nil
}

// examples attaches what each row teaches.
func (w *classifyWork) examples(read *reading) ([]Example, error) {
	return w.j.headExamples(read, w.example)
}

// valid are the validation rows in the tokens of t, the student's.
func (w *classifyWork) valid(read *reading, t *tokenizer) (ex []Example) {
	for _, r := range w.j.validRows() {
		ex = append(ex, w.example(r, read.encode(t, r)))
	}
	return ex
}

func (w *classifyWork) example(r Row, ids []int32) Example {
	lp := w.j.learnt(r, w.labels, w.cal)
	target := make([]float32, len(lp))
	for k, v := range lp {
		target[k] = float32(v)
	}
	return Example{ID: r.ID, Tokens: ids, Target: target, Label: int32(argmax(lp))}
}

// leastGold is the least probability of a label once gold labels count: the logarithm of none is no number to learn.
const leastGold = 1e-6

// learnt is what student and baseline learn of a row: log-probabilities over the labels.
func (j *Job) learnt(r Row, labels Labels, cal *engine.Calibration) []float64 {
	lp := calibrated(labels[r.ID], cal)
	if r.Gold < 0 {
		return lp
	}
	if r.Corrected { // a person's word is all that counts
		return withGold(lp, r.Gold, 1)
	}
	return withGold(lp, r.Gold, j.recipe.Train.Gold)
}

// withGold mixes log-probabilities over the labels with the certainty that the label is gold, whose share is gold's weight.
func withGold(lp []float64, gold int, share float64) []float64 {
	if share == 0 {
		return lp
	}
	mixed := make([]float64, len(lp))
	for k, v := range lp {
		p := float64((1 - share) * kernels.Exp(v))
		if k == gold {
			p += share
		}
		mixed[k] = kernels.Log(max(p, leastGold))
	}
	return logSoftmax(mixed)
}

func (w *classifyWork) eval(ctx context.Context, sum *Summary) error {
	return w.j.eval(ctx, sum, w)
}

// measure classifies the test rows by a form of the student.
func (w *classifyWork) measure(ctx context.Context, m *engine.Model, format string) (*form, error) {
	j := w.j
	c, err := m.NewClassifier(engine.Task{})
	if err != nil {
		return nil, err
	}
	texts, gold := make([]string, len(j.data.Test)), make([]int, len(j.data.Test))
	for i, r := range j.data.Test {
		texts[i], gold[i] = r.Text, r.Gold
	}
	f := &form{unit: "row"}
	said, err := j.classify(ctx, c, texts)
	if err != nil {
		return nil, err
	}
	for _, row := range said {
		f.lp = append(f.lp, c.Calibrated(row))
	}
	var lines []prediction
	probs := make([][]float64, len(f.lp))
	for i, r := range j.data.Test {
		probs[i] = expAll(f.lp[i])
		lines = append(lines, prediction{ID: r.ID, Gold: r.Gold, Student: probs[i]})
	}
	f.scores = rightRows(probs, gold)
	f.from = func(_ context.Context, full *form) (kl []float64, err error) {
		for i, lp := range f.lp {
			kl = append(kl, divergence(full.lp[i], lp))
		}
		return kl, nil
	}
	f.ask = func(ctx context.Context) (int, error) {
		some := texts[:min(len(texts), speedRows)]
		_, err := c.LogProbs(ctx, some)
		return len(some), err
	}
	if format == "" {
		return f, nil
	}
	return f, writeJSONLines(j, "predictions."+format+".jsonl", lines)
}
