package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

// KeyTaskThresholds is the metadata key [labels] of a head that gives a text any number of its labels: the probability from which it has each.
// A head without it gives a text one label.
const KeyTaskThresholds = "freehold.task.thresholds"

const labelMark = "{label}"

// MultilabelTask says which of several labels a text has: any number of them, each by itself.
//
// A model with a head for several labels (IsMultilabel) answers with that. Any other is asked about each label, to be answered with yes or no. What the
// questions about one text begin with is computed once, so {text} had better stand before {label}.
type MultilabelTask struct {
	Labels []string // nil = the head's
	Prompt string   // holds {text} and {label} once each; "" = for a head the text alone, else a plain question
	System string   // system turn before the prompt; "" = none
	Raw    bool     // feeds the prompt as it is; otherwise it is a user turn of the file's chat template

	Words       map[string][]string // further spellings of "yes" and "no"; nil = these
	Thresholds  []float64           // [labels] probability from which a text has the label; nil = the head's own, else 0.5
	Calibration *Calibration        // of log-odds, [labels]; nil = the head's own
}

// Mark is what a model says of one label of a text.
type Mark struct {
	Label     string
	P         float64 // that the text has it, calibrated; sums to anything
	Threshold float64
	Has       bool // P reaches the threshold
}

// Multilabel is a MultilabelTask made ready for a model. It may be used by several goroutines.
type Multilabel struct {
	m    *Model
	task MultilabelTask
	each []*Classifier // [labels] yes or no; nil = the model has a head
}

// IsMultilabel tells whether the model has a head that gives a text any number of its labels.
func (m *Model) IsMultilabel() bool { return m.plan.class != nil && m.file.Has(KeyTaskThresholds) }

// NewMultilabel checks a task and prepares it.
func (m *Model) NewMultilabel(t MultilabelTask) (*Multilabel, error) {
	k := &Multilabel{m: m, task: t}
	if m.IsMultilabel() {
		if err := k.task.fromHead(m); err != nil {
			return nil, err
		}
	} else if m.plan.class != nil {
		return nil, fmt.Errorf("engine: %s has a classification head that gives a text one of %q; use NewClassifier", m.file.Name, m.Spec.Labels)
	}
	if err := k.task.check(); err != nil {
		return nil, err
	}
	if k.task.Thresholds == nil {
		k.task.Thresholds = make([]float64, len(k.task.Labels))
		for l := range k.task.Thresholds {
			k.task.Thresholds[l] = 0.5
		}
	}
	if m.IsMultilabel() {
		return k, nil
	}
	if k.task.Prompt == "" {
		k.task.Prompt = "Text: " + textMark + "\n\nDoes the label \"" + labelMark + "\" fit this text? Answer yes or no."
	}
	for _, l := range k.task.Labels {
		c, err := m.NewClassifier(Task{Labels: []string{"yes", "no"}, Prompt: strings.Replace(k.task.Prompt, labelMark, l, 1), System: t.System, Raw: t.Raw, Words: t.Words})
		if err != nil {
			return nil, err
		}
		k.each = append(k.each, c)
	}
	return k, nil
}

// fromHead fills in what the model's file says.
func (t *MultilabelTask) fromHead(m *Model) error {
	if t.Labels != nil && !slices.Equal(t.Labels, m.Spec.Labels) || t.Prompt != "" || t.System != "" || t.Words != nil {
		return fmt.Errorf("engine: %s has a head for the labels %q and reads the text alone; leave labels, prompt, system turn and words out", m.file.Name, m.Spec.Labels)
	}
	t.Labels = m.Spec.Labels
	if t.Thresholds == nil {
		own, err := m.file.Floats(KeyTaskThresholds)
		if err != nil {
			return err
		}
		for _, v := range own {
			t.Thresholds = append(t.Thresholds, float64(v))
		}
	}
	of := Task{Labels: t.Labels, Calibration: t.Calibration}
	err := of.ownCalibration(m)
	t.Calibration = of.Calibration
	return err
}

func (t *MultilabelTask) check() error {
	if err := (&Task{Labels: t.Labels, Calibration: t.Calibration}).check(); err != nil {
		return err
	}
	for _, mark := range []string{textMark, labelMark} {
		if n := strings.Count(t.Prompt, mark); t.Prompt != "" && n != 1 {
			return fmt.Errorf("engine: the prompt holds %s %d times, want once", mark, n)
		}
	}
	for _, l := range t.Labels {
		if strings.Contains(l, textMark) {
			return fmt.Errorf("engine: label %q holds %s", l, textMark)
		}
	}
	if t.Thresholds != nil && len(t.Thresholds) != len(t.Labels) {
		return fmt.Errorf("engine: %d thresholds for %d labels", len(t.Thresholds), len(t.Labels))
	}
	for l, v := range t.Thresholds {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("engine: the threshold of label %q is %v, want a probability from 0 to 1", t.Labels[l], v)
		}
	}
	return nil
}

// Labels returns the labels in the order of LogOdds.
func (k *Multilabel) Labels() []string { return k.task.Labels }

// Thresholds are the probabilities from which a text has each label.
func (k *Multilabel) Thresholds() []float64 { return k.task.Thresholds }

// Calibration is what probabilities are calibrated by; nil = nothing.
func (k *Multilabel) Calibration() *Calibration { return k.task.Calibration }

// Tokens encodes what the model reads for one text: the text, for a head, else a prompt for each label.
func (k *Multilabel) Tokens(text string) ([][]int32, error) {
	t, err := k.m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	if k.each == nil {
		return [][]int32{EncodeText(t, text)}, nil
	}
	prompts := make([][]int32, len(k.each))
	for l, c := range k.each {
		prompts[l] = c.encode(t, text)
	}
	return prompts, nil
}

// LogOdds returns the log-odds log(p/(1-p)) of each label of each text [texts, labels], before calibration.
func (k *Multilabel) LogOdds(ctx context.Context, texts []string) ([][]float64, error) {
	prompts := make([][][]int32, len(texts))
	for i, text := range texts {
		var err error
		if prompts[i], err = k.Tokens(text); err != nil {
			return nil, err
		}
		for _, p := range prompts[i] {
			if len(p) > k.m.cfg.context {
				return nil, fmt.Errorf("text %d: %w", i, &ContextError{len(p), k.m.cfg.context})
			}
			if len(p) == 0 {
				return nil, fmt.Errorf("engine: text %d makes an empty prompt", i)
			}
		}
	}
	return k.LogOddsTokens(ctx, prompts)
}

// LogOddsTokens is LogOdds for what Tokens gives.
func (k *Multilabel) LogOddsTokens(ctx context.Context, prompts [][][]int32) ([][]float64, error) {
	base := k.m.NewSession()
	defer base.Close()
	if k.each != nil {
		if err := k.each[0].begin(ctx, base, slices.Concat(prompts...)); err != nil {
			return nil, err
		}
	}
	rows := make([][]float64, 0, len(prompts))
	for len(prompts) > 0 {
		n := min(len(prompts), max(1, labelRows/len(prompts[0])))
		part, err := k.odds(ctx, base, prompts[:n])
		if err != nil {
			return nil, err
		}
		rows, prompts = append(rows, part...), prompts[n:]
	}
	return rows, nil
}

func (k *Multilabel) odds(ctx context.Context, base *Session, prompts [][][]int32) ([][]float64, error) {
	if k.each == nil {
		return k.headOdds(ctx, prompts)
	}
	return k.askedOdds(ctx, base, prompts)
}

// headOdds are the head's logits.
func (k *Multilabel) headOdds(ctx context.Context, prompts [][][]int32) ([][]float64, error) {
	seqs := make([]Seq, len(prompts))
	for i, p := range prompts {
		seqs[i] = Seq{k.m.NewSession(), p[0], WantClass}
		defer seqs[i].Session.Close()
	}
	if err := k.m.EvalBatch(ctx, seqs); err != nil {
		return nil, err
	}
	rows := make([][]float64, len(prompts))
	for i := range seqs {
		for _, z := range seqs[i].Session.ClassLogits() {
			rows[i] = append(rows[i], float64(z))
		}
	}
	return rows, nil
}

// askedOdds asks about every label of each text. Base holds what all prompts begin with; what those of a text begin with is computed once, of all texts
// together, and then what is left of each prompt.
func (k *Multilabel) askedOdds(ctx context.Context, base *Session, prompts [][][]int32) ([][]float64, error) {
	var begun []*Session // [texts]
	var heads, asks []Seq
	defer func() {
		for _, s := range begun {
			s.Close()
		}
		for _, s := range asks {
			s.Session.Close()
		}
	}()
	for _, p := range prompts {
		s := base.Fork()
		begun = append(begun, s)
		if n := shared(p); n > base.Len() {
			heads = append(heads, Seq{s, p[0][base.Len():n], WantNone})
		}
	}
	if len(heads) > 0 {
		if err := k.m.EvalBatch(ctx, heads); err != nil {
			return nil, err
		}
	}
	for i, p := range prompts {
		for _, ids := range p {
			asks = append(asks, Seq{begun[i].Fork(), ids[begun[i].Len():], WantLast})
		}
	}
	said := make([][]float64, len(asks)) // [texts x labels][yes, no]
	if err := k.each[0].score(ctx, asks, said, make([]float32, k.m.Spec.Vocab)); err != nil {
		return nil, err
	}
	rows := make([][]float64, len(prompts))
	for i, lp := range said {
		rows[i/len(k.each)] = append(rows[i/len(k.each)], lp[0]-lp[1])
	}
	return rows, nil
}

// Probabilities turns a row of LogOdds into the probability of each label, calibrated.
func (k *Multilabel) Probabilities(row []float64) []float64 {
	p := slices.Clone(row)
	k.task.Calibration.apply(p)
	for l, z := range p {
		p[l] = kernels.Sigmoid(z)
	}
	return p
}

// Batch classifies many texts: of each text all labels, the most probable first.
func (k *Multilabel) Batch(ctx context.Context, texts []string) ([][]Mark, error) {
	rows, err := k.LogOdds(ctx, texts)
	if err != nil {
		return nil, err
	}
	all := make([][]Mark, len(rows))
	for i, row := range rows {
		all[i] = k.Marks(row)
	}
	return all, nil
}

// Marks turns a row of LogOdds into what is said of each label, the most probable first.
func (k *Multilabel) Marks(row []float64) []Mark {
	marks := make([]Mark, len(row))
	for l, p := range k.Probabilities(row) {
		marks[l] = Mark{k.task.Labels[l], p, k.task.Thresholds[l], p >= k.task.Thresholds[l]}
	}
	slices.SortStableFunc(marks, func(a, b Mark) int {
		switch {
		case a.P > b.P:
			return -1
		case a.P < b.P:
			return 1
		}
		return 0
	})
	return marks
}

// CalibrateOdds estimates a calibration from rows of LogOdds of unlabelled training texts, in which each label is as frequent as any other: what the model
// typically says of a label becomes the share of texts that are expected to have it.
func CalibrateOdds(kind string, rows [][]float64, share float64) (*Calibration, error) {
	if !(share > 0 && share < 1) {
		return nil, fmt.Errorf("engine: the share of texts with a label is %v, want a number between 0 and 1", share)
	}
	c, err := typical(kind, rows)
	if err != nil {
		return nil, err
	}
	for l := range c.Bias {
		c.Bias[l] -= kernels.Log(share / (1 - share))
	}
	return c, nil
}
