package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/token"
)

// Task says how texts are classified.
//
// A model with a classification head (Spec.Labels) answers with its head. Any other answers with the probability of
// each label's words as the beginning of its answer: the logits after the prompt, at the first tokens of the label in
// both cases of its first letter; where two labels begin with the same token, the labels are scored whole.
type Task struct {
	Labels []string // nil = the head's
	// Prompt holds {text} once. "" = for a head the text alone, else a plain question that lists the labels.
	Prompt string
	System string // system turn before the prompt; "" = none
	// Raw feeds the prompt as it is; otherwise it is a user turn of the file's chat template. A head reads raw prompts.
	Raw bool
	// Words are further spellings of a label; nil = the label itself.
	Words       map[string][]string
	Calibration *Calibration // nil = what the model's file has, where labels and prompt are its own
}

// Choice is one label's result. Choices come best first.
type Choice struct {
	Label   string
	P       float64 // calibrated, sums to 1 over the labels
	LogProb float64 // the model's own log-probability of the label's words (head: of the label), before calibration
}

// Classifier is a Task made ready for a model. It may be used by several goroutines.
type Classifier struct {
	m     *Model
	task  Task
	head  bool
	frame           // around the text
	first [][]int32 // [labels] first tokens; nil = score whole words
	words [][][]int32
}

// NewClassifier checks a task and prepares it.
func (m *Model) NewClassifier(t Task) (*Classifier, error) {
	if m.Spec.Tags != nil {
		return nil, fmt.Errorf("%s: marks the tokens of a text (freehold run) and has no labels for it", m.file.Name)
	}
	c := &Classifier{m: m, task: t, head: m.plan.class != nil}
	if m.Ranks() {
		return nil, fmt.Errorf("engine: %s is a reranker, which has no labels; rank documents with it", m.file.Name)
	}
	if c.head {
		if m.IsMultilabel() {
			return nil, fmt.Errorf("engine: %s gives a text any number of the labels %q, and not one of them; use NewMultilabel", m.file.Name, m.Spec.Labels)
		}
		if t.Labels != nil && !slices.Equal(t.Labels, m.Spec.Labels) {
			return nil, fmt.Errorf("engine: the labels are %q, but %s has a classification head for %q", t.Labels, m.file.Name, m.Spec.Labels)
		}
		c.task.Labels, c.task.Raw = m.Spec.Labels, true
		if t.Prompt == "" {
			c.task.Prompt = textMark
			if err := c.task.ownCalibration(m); err != nil {
				return nil, err
			}
		}
	} else if err := c.task.fromFile(m); err != nil {
		return nil, err
	}
	if err := c.task.check(); err != nil {
		return nil, err
	}
	if c.task.Prompt == "" {
		c.task.Prompt = "Which of these labels fits the text best: " + strings.Join(c.task.Labels, ", ") +
			"? Answer with one label.\n\nText: " + textMark
	}
	var err error
	if c.frame, err = m.newFrame(c.task.Prompt, c.task.System, c.task.Raw); err != nil {
		return nil, err
	}
	if c.head {
		return c, nil
	}
	return c, c.labelTokens()
}

func (t *Task) check() error {
	if len(t.Labels) < 2 {
		return fmt.Errorf("engine: a task needs at least 2 labels, got %d", len(t.Labels))
	}
	seen := map[string]bool{}
	for _, l := range t.Labels {
		if strings.TrimSpace(l) == "" || seen[l] {
			return fmt.Errorf("engine: label %q is empty or given twice", l)
		}
		seen[l] = true
	}
	for l, words := range t.Words {
		if !seen[l] {
			return fmt.Errorf("engine: words are given for %q, which is none of the labels %q", l, t.Labels)
		}
		if len(words) == 0 || slices.Contains(words, "") {
			return fmt.Errorf("engine: the words of label %q are empty", l)
		}
	}
	if n := strings.Count(t.Prompt, textMark); t.Prompt != "" && n != 1 {
		return fmt.Errorf("engine: the prompt holds %s %d times, want once", textMark, n)
	}
	if t.Calibration != nil {
		if err := t.Calibration.check(len(t.Labels)); err != nil {
			return fmt.Errorf("engine: %w", err)
		}
	}
	return nil
}

// Tokens encodes the whole prompt for one text. The text's own special tokens are ordinary text: it cannot end its
// turn.
func (c *Classifier) Tokens(text string) ([]int32, error) {
	t, err := c.m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	return c.encode(t, text), nil
}

// labelTokens finds each label's first tokens, or whole words where first tokens collide.
func (c *Classifier) labelTokens() error {
	t, err := c.m.LoadTokenizer()
	if err != nil {
		return err
	}
	lead := ""
	if r, _ := utf8.DecodeLastRuneInString(c.before + c.after); c.after != "" && c.task.Raw && !unicode.IsSpace(r) {
		lead = " "
	}
	owner := map[int32]int{}
	collide := false
	c.first = make([][]int32, len(c.task.Labels))
	c.words = make([][][]int32, len(c.task.Labels))
	for i, label := range c.task.Labels {
		words := c.task.Words[label]
		if words == nil {
			words = []string{label}
		}
		var spell []string
		for _, w := range words {
			r, n := utf8.DecodeRuneInString(w)
			spell = append(spell, lead+string(unicode.ToLower(r))+w[n:], lead+string(unicode.ToUpper(r))+w[n:])
		}
		slices.Sort(spell)
		for _, w := range slices.Compact(spell) {
			ids := t.Encode(nil, w, token.EncodeOptions{})
			if len(ids) == 0 {
				return fmt.Errorf("engine: label %q encodes to no tokens", label)
			}
			c.words[i] = append(c.words[i], ids)
			if !slices.Contains(c.first[i], ids[0]) {
				c.first[i] = append(c.first[i], ids[0])
			}
			if o, ok := owner[ids[0]]; ok && o != i {
				collide = true
			}
			owner[ids[0]] = i
		}
	}
	if collide {
		c.first = nil
	}
	return nil
}

// Calibration is what probabilities are calibrated by; nil = nothing.
func (c *Classifier) Calibration() *Calibration { return c.task.Calibration }

// Labels returns the labels in the order of LogProbs.
func (c *Classifier) Labels() []string { return c.task.Labels }

// Classify classifies one text with a default prompt (or the model's head).
func (m *Model) Classify(ctx context.Context, text string, labels ...string) ([]Choice, error) {
	c, err := m.NewClassifier(Task{Labels: labels})
	if err != nil {
		return nil, err
	}
	return c.Classify(ctx, text)
}

// Classify classifies one text.
func (c *Classifier) Classify(ctx context.Context, text string) ([]Choice, error) {
	all, err := c.Batch(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Batch classifies many texts. What their prompts share is computed once.
func (c *Classifier) Batch(ctx context.Context, texts []string) ([][]Choice, error) {
	rows, err := c.LogProbs(ctx, texts)
	if err != nil {
		return nil, err
	}
	all := make([][]Choice, len(rows))
	for i, row := range rows {
		all[i] = c.Choices(row)
	}
	return all, nil
}

// Calibrated turns a row of LogProbs into log-probabilities over the labels, calibrated.
func (c *Classifier) Calibrated(row []float64) []float64 {
	x := slices.Clone(row)
	c.task.Calibration.apply(x)
	norm := logSum(x)
	for i := range x {
		x[i] -= norm
	}
	return x
}

// Probabilities turns a row of LogProbs into probabilities over the labels, calibrated.
func (c *Classifier) Probabilities(row []float64) []float64 {
	x := c.Calibrated(row)
	for i := range x {
		x[i] = kernels.Exp(x[i])
	}
	return x
}

// Choices turns a row of LogProbs into choices, best first.
func (c *Classifier) Choices(row []float64) []Choice {
	p := c.Probabilities(row)
	out := make([]Choice, len(row))
	for i := range row {
		out[i] = Choice{c.task.Labels[i], p[i], row[i]}
	}
	slices.SortStableFunc(out, func(a, b Choice) int {
		switch {
		case a.P > b.P:
			return -1
		case a.P < b.P:
			return 1
		}
		return 0
	})
	return out
}

// logSum is log(sum(exp(x))).
func logSum(x []float64) float64 {
	m := math.Inf(-1)
	for _, v := range x {
		m = max(m, v)
	}
	if math.IsInf(m, -1) {
		return m
	}
	s := 0.0
	for _, v := range x {
		s += kernels.Exp(v - m)
	}
	return m + kernels.Log(s)
}
