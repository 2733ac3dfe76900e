package distill

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/spell"
)

func init() {
	taskTypes["multilabel"] = taskType{
		form:    data.SeveralLabels,
		keys:    []string{"task.labels", "task.words", "task.labels_per_text", "teacher.calibration", "student.calibration", "train.gold", "train.match", "student.attention", "train.keep"},
		losses:  []string{"bce"},
		metrics: []string{"micro_f1", "macro_f1", "exact", "hamming", "ece", "agreement", "retention", "over_baseline", "over_pairs", "size_ratio", "speed_ratio"},
		check:   checkMultilabel,
		fill: func(r *Recipe, said func(path ...string) bool) {
			if !said("train", "loss") {
				r.Train.Loss = "bce"
			}
			if !said("task", "labels_per_text") {
				r.Task.LabelsPerText = 1
			}
		},
		work: func(j *Job) (work, error) { return &multilabelWork{j: j}, nil },
	}
}

// checkMultilabel holds labels, words and prompt against each other, and refuses what the task does not have.
func checkMultilabel(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	t := &r.Task
	if len(t.Labels) < 2 {
		errs = append(errs, at(fmt.Sprintf("task.labels has %d labels, want at least 2; whether a text has one thing or not is task type classify, with labels such as [yes, no]", len(t.Labels)), "task", "labels"))
	}
	for i, l := range t.Labels {
		switch {
		case l == "" || slices.Contains(t.Labels[:i], l):
			errs = append(errs, at(fmt.Sprintf("label %q in task.labels is empty or given twice", l), "task", "labels"))
		case strings.TrimSpace(l) != l || strings.Contains(l, data.LabelSeparator) || l == data.NoLabels || strings.Contains(l, "{text}"):
			errs = append(errs, at(fmt.Sprintf("label %q in task.labels holds %q, which stands between labels, or {text}, begins or ends with a space, or is %s", l, data.LabelSeparator, data.NoLabels), "task", "labels"))
		}
	}
	if n := strings.Count(t.Prompt, "{label}"); n != 1 {
		errs = append(errs, at(fmt.Sprintf("task.prompt holds {label} %d times, want once: the teacher is asked about each label, to be answered with yes or no", n), "task", "prompt"))
	}
	errs = append(errs, checkYesNo(t.Words, at)...)
	if n := t.LabelsPerText; !(n > 0 && n < float64(len(t.Labels))) {
		errs = append(errs, at(fmt.Sprintf("task.labels_per_text is %v, want above 0 and below the number of labels, %d", n, len(t.Labels)), "task", "labels_per_text"))
	}
	if kinds := []string{"none", "mean", "median"}; !slices.Contains(kinds, r.Teacher.Calibration) {
		errs = append(errs, at(spell.Unknown("value", r.Teacher.Calibration, "teacher.calibration", kinds), "teacher", "calibration"))
	}
	if r.Teacher.remote() {
		errs = append(errs, at("teacher.openai: a remote teacher is not asked about each label yet; take a model of this machine (teacher.model without teacher.openai)", "teacher", "openai"))
	}
	if r.augments() {
		errs = append(errs, at("data.augment is not there yet for task type multilabel; leave it out", "data", "augment"))
	}
	return errs
}

// checkYesNo holds the spellings of a teacher's yes and no.
func checkYesNo(words map[string][]string, at func(msg string, path ...string) error) (errs []error) {
	for _, word := range sortedKeys(words) {
		if answers := []string{"yes", "no"}; !slices.Contains(answers, word) {
			errs = append(errs, at(spell.Unknown("answer", word, "task.words", answers), "task", "words", word))
		} else if len(words[word]) == 0 || slices.Contains(words[word], "") {
			errs = append(errs, at(fmt.Sprintf("task.words of %q are empty", word), "task", "words", word))
		}
	}
	return errs
}

// multilabelWork: the teacher says of each label how probable it is that a text has it, and the student learns to say the same. All of it is in log-odds.
type multilabelWork struct {
	j    *Job
	odds Labels              // what the teacher said
	cal  *engine.Calibration // nil = none
}

func (w *multilabelWork) key() string { return "" }

func (w *multilabelWork) label(ctx context.Context) error {
	odds, err := w.j.label(ctx, w.j.labellers()[0], w.openTeacher)
	return w.took(odds, err)
}

func (w *multilabelWork) recall() error {
	odds, err := w.j.recall(w.j.labellers()[0])
	return w.took(odds, err)
}

// took calibrates what the teacher said by its answers to the training rows.
func (w *multilabelWork) took(odds Labels, err error) error {
	kind, rows := w.j.recipe.Teacher.Calibration, w.j.own.Train
	if w.odds = odds; err != nil || kind == "none" {
		return err
	}
	of := make([][]float64, len(rows))
	for i, r := range rows {
		of[i] = odds[r.ID]
	}
	t := w.j.recipe.Task
	w.cal, err = engine.CalibrateOdds(kind, of, t.LabelsPerText/float64(len(t.Labels)))
	return err
}

func (w *multilabelWork) missing() (missing, all int) { return w.j.missingOf(w.j.labellers()[0]) }

// openTeacher opens the teacher to ask it about each label of texts.
func (w *multilabelWork) openTeacher() (asker, func(), error) {
	t := w.j.recipe.Task
	if strings.Index(t.Prompt, "{label}") < strings.Index(t.Prompt, "{text}") {
		w.j.warn(fmt.Sprintf("task.prompt has {label} before {text}, so that the teacher reads each text %d times; with {text} first it reads it once", len(t.Labels)))
	}
	m, err := w.j.openTeacherModel(w.j.teacher.path, "")
	if err != nil {
		return nil, nil, err
	}
	k, err := m.NewMultilabel(engine.MultilabelTask{Labels: t.Labels, Prompt: t.Prompt, System: t.System, Words: t.Words})
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return byText(k.LogOdds), func() { m.Close() }, nil
}

// teacher is what the teacher says of a row, calibrated.
func (w *multilabelWork) teacher(r Row) []float64 {
	out := slices.Clone(w.odds[r.ID])
	if w.cal != nil {
		for l := range out {
			out[l] -= w.cal.Bias[l]
		}
	}
	return out
}

// learnt is what student and baseline learn of a row: the teacher's log-odds, into whose probabilities the row's own labels are mixed.
func (w *multilabelWork) learnt(r Row) []float64 {
	out, share := w.teacher(r), w.j.recipe.Train.Gold
	if r.Corrected { // a person's word is all that counts
		share = 1
	}
	if r.Gold < 0 || share == 0 {
		return out
	}
	for l, z := range out {
		p := float64((1 - share) * kernels.Sigmoid(z))
		if slices.Contains(r.Labels, l) {
			p += share
		}
		p = min(max(p, leastGold), 1-leastGold)
		out[l] = kernels.Log(p / (1 - p))
	}
	return out
}

// confidence is the geometric mean of the probabilities of what the teacher says of each label.
func (w *multilabelWork) confidence(r Row) (p float64, label string, asked bool) {
	if r.Corrected || r.Gold >= 0 && w.j.recipe.Train.Gold > 0 {
		return 1, "", false
	}
	probs := sigmoids(w.teacher(r))
	return sureOf(probs, decide(probs, halves(len(probs)))), "", true
}

// read takes the text alone.
func (w *multilabelWork) read(_ *gguf.File, r *reading) error {
	r.encode = func(t *tokenizer, row Row) []int32 { return engine.EncodeText(t, row.Text) }
	return nil
}

func (w *multilabelWork) check(*reading) error { return nil }

func (w *multilabelWork) shape(p *Prune) { p.Labels = w.j.recipe.Task.Labels }

// write makes the head one of several labels; fit finds better thresholds.
func (w *multilabelWork) write(b *Base) error {
	b.setThresholds(halves(len(w.j.recipe.Task.Labels)))
	return nil
}

func (w *multilabelWork) examples(read *reading) ([]Example, error) {
	return w.j.headExamples(read, w.example)
}

// valid are the validation rows in the tokens of t, the student's.
func (w *multilabelWork) valid(read *reading, t *tokenizer) (ex []Example) {
	for _, r := range w.j.validRows() {
		ex = append(ex, w.example(r, read.encode(t, r)))
	}
	return ex
}

func (w *multilabelWork) example(r Row, ids []int32) Example {
	odds := w.learnt(r)
	target := make([]float32, len(odds))
	for l, z := range odds {
		target[l] = float32(z)
	}
	return Example{ID: r.ID, Tokens: ids, Target: target, Label: -1}
}

// sigmoids are the probabilities of log-odds.
func sigmoids(odds []float64) []float64 {
	p := make([]float64, len(odds))
	for l, z := range odds {
		p[l] = kernels.Sigmoid(z)
	}
	return p
}
