package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/freehold-slm/freehold/engine"
)

type classifyCmd struct {
	Model string `arg:"" complete:"model" help:"GGUF file or catalogue name."`
	textFlags
	modelFlags
	Labels       []string `short:"l" help:"Labels, comma-separated; default: those of the model's classification head." placeholder:"A,B"`
	Prompt       string   `help:"Prompt with {text} in it; default: a plain question that lists the labels."`
	System       string   `help:"System turn before the prompt."`
	Raw          bool     `help:"Feed the prompt as plain text, without the chat template."`
	AbstainBelow float64  `help:"Do not answer where the best label is less probable than this; with --escalate default: what the model's file says." placeholder:"P"`
	Escalate     string   `complete:"model" help:"Ask this model, the teacher, about texts below the line to abstain at. A student's file knows how its teacher was asked." placeholder:"MODEL"`
	EscalateLoRA string   `name:"escalate-lora" help:"The teacher's adapter, where it had one: teacher/adapter.gguf of the run folder." placeholder:"FILE"`
	Calibrate    string   `help:"File of unlabelled texts, one a line, to even out the model's habitual preference with." placeholder:"FILE"`
	explainFlags
}

func (*classifyCmd) Help() string {
	return "--explain says on which words the answer rests: the text is classified again without each of its words, and what the log-odds of the answer " +
		"lose is what the word did for it. Of a model that a recipe made it also names the training rows with the likest words, by TF-IDF: what the student was " +
		"taught of such words, not what it thought of.\n\nA model of task type multilabel gives a text any number of its labels: they are printed with ; between them, or (none), then their " +
		"probabilities, then the text."
}

// classification is freehold/classify/1.
type classification struct {
	Schema string        `json:"schema"`
	Model  string        `json:"model"`
	Labels []string      `json:"labels"`
	Rows   []classifyRow `json:"rows"`
}

type classifyRow struct {
	Text          string             `json:"text"`
	Label         string             `json:"label"`
	P             float64            `json:"p"`
	Probabilities map[string]float64 `json:"probabilities"`
	Abstained     bool               `json:"abstained,omitempty"`   // the label is less probable than --abstain-below
	AnsweredBy    string             `json:"answered_by,omitempty"` // with --escalate: "student" or "teacher"
	Student       *firstAnswer       `json:"student,omitempty"`     // what it said, where the teacher answered
	Explanation   *explanation       `json:"explanation,omitempty"` // with --explain
}

// firstAnswer is what a student said before its teacher was asked.
type firstAnswer struct {
	Label string  `json:"label"`
	P     float64 `json:"p"`
}

// classifyTogether is how many lines of standard input are classified in one go.
const classifyTogether = 32

func (c *classifyCmd) Run(a *app) error {
	if err := c.check(a); err != nil {
		return err
	}
	if err := c.checkExplain(); err != nil {
		return err
	}
	m, err := a.openModel(c.Model, &c.modelFlags)
	if err != nil {
		return err
	}
	defer m.Close()
	if m.IsMultilabel() {
		return c.several(a, m)
	}
	k, err := c.classifier(a, m)
	if err != nil {
		return err
	}
	if c.Explain {
		return c.explainTexts(a, m, k)
	}
	up, err := c.escalation(a, k)
	if err != nil {
		return err
	}
	defer up.close()
	doc := classification{Schema: "freehold/classify/1", Model: c.Model, Labels: k.Labels(), Rows: []classifyRow{}}
	put := func(texts []string, first int) error {
		all, err := k.Batch(a.ctx, texts)
		if err != nil {
			return c.tooLong(err, c.Model, m, first)
		}
		rows := make([]classifyRow, len(all))
		for i, choices := range all {
			rows[i] = rowOf(texts[i], choices)
		}
		if err := up.answer(a, rows); err != nil {
			return c.tooLong(err, c.Escalate, up.model, first)
		}
		for _, row := range rows {
			if err := addRow(a, c.JSONL, &doc.Rows, row, row.line()); err != nil {
				return err
			}
		}
		return a.out.Flush()
	}
	if err := c.each(classifyTogether, put); err != nil {
		return err
	}
	up.tell(a)
	if !a.json {
		return nil
	}
	return a.emit(doc)
}

// addRow prints a row, for people or as a line of JSON, or keeps it for the one document of --json.
func addRow[R any](a *app, jsonl bool, all *[]R, row R, line string) error {
	switch {
	case a.json:
		*all = append(*all, row)
	case jsonl:
		return a.emitLine(row)
	default:
		a.write("%s\n", line)
	}
	return nil
}

func rowOf(text string, choices []engine.Choice) classifyRow {
	row := classifyRow{Text: text, Label: choices[0].Label, P: choices[0].P, Probabilities: map[string]float64{}}
	for _, ch := range choices {
		row.Probabilities[ch.Label] = ch.P
	}
	return row
}

// line is a row for people and for cut: label, probability, who answered where a teacher may be asked, text.
func (r *classifyRow) line() string {
	label := r.Label
	if r.Abstained {
		label = "(abstains)"
	}
	if r.AnsweredBy != "" {
		return fmt.Sprintf("%s\t%.4f\t%s\t%s", label, r.P, r.AnsweredBy, r.Text)
	}
	return fmt.Sprintf("%s\t%.4f\t%s", label, r.P, r.Text)
}

// classifier prepares the task, calibration included.
func (c *classifyCmd) classifier(a *app, m *opened) (*engine.Classifier, error) {
	if m.Spec.Tags != nil {
		return nil, marksTokens(c.Model, "labels")
	}
	if len(m.Spec.Labels) == 0 && len(c.Labels) == 0 && !m.file.Has(engine.KeyTaskLabels) {
		return nil, usagef("%s has no classification head; give the labels with --labels a,b", c.Model)
	}
	if _, err := m.LoadTokenizer(); err != nil {
		return nil, asInput(err)
	}
	if len(m.Spec.Labels) == 0 && !c.Raw && !m.file.Has("tokenizer.chat_template") {
		return nil, usagef("%s has no chat template (a base model?); give a plain-text --prompt with {text} and --raw", c.Model)
	}
	task := engine.Task{Labels: c.Labels, Prompt: c.Prompt, System: c.System, Raw: c.Raw}
	k, err := m.NewClassifier(task)
	if err != nil {
		return nil, usagef("%s", errorText(err))
	}
	if c.Calibrate == "" {
		return k, nil
	}
	f, err := os.Open(c.Calibrate)
	if err != nil {
		return nil, asInput(err)
	}
	defer f.Close()
	var rows [][]float64
	err = eachLine(f, c.Calibrate, 256, func(texts []string, first int) error {
		part, err := k.LogProbs(a.ctx, texts)
		rows = append(rows, part...)
		a.progress.show("calibrating  "+count(len(rows))+" texts", false)
		return c.tooLong(err, c.Model, m, first)
	})
	if err != nil {
		return nil, err
	}
	if task.Calibration, err = engine.Calibrate("median", rows); err != nil {
		return nil, inputf("%s: %w", c.Calibrate, err)
	}
	if own := k.Calibration(); own != nil { // the texts say which labels it likes too well, not how sure it may be
		task.Calibration.Temperature = own.Temperature
	}
	return m.NewClassifier(task)
}

// tooLong adds to a text that is too long what to do about it.
func (c *classifyCmd) tooLong(err error, name string, m *opened, first int) error {
	var long *engine.ContextError
	if errors.As(err, &long) {
		return usagef("a text near line %d needs %d tokens with its prompt, and the context of %s holds %d; shorten it", first, long.Tokens, name, m.Context())
	}
	return err
}
