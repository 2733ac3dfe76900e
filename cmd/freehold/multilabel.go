package main

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
)

// multilabelled is freehold/multilabel/1: what a model says that gives a text any number of labels.
type multilabelled struct {
	Schema     string             `json:"schema"`
	Model      string             `json:"model"`
	Labels     []string           `json:"labels"`
	Thresholds map[string]float64 `json:"thresholds"` // probability from which a text has a label
	Rows       []multilabelRow    `json:"rows"`
}

type multilabelRow struct {
	Text          string             `json:"text"`
	Labels        []string           `json:"labels"` // the most probable first
	Probabilities map[string]float64 `json:"probabilities"`
}

// line is a row for people and for cut: labels, their probabilities, text.
func (r *multilabelRow) line() string {
	labels, p := data.NoLabels, make([]string, len(r.Labels))
	for i, l := range r.Labels {
		p[i] = fmt.Sprintf("%.4f", r.Probabilities[l])
	}
	if len(r.Labels) > 0 {
		labels = strings.Join(r.Labels, data.LabelSeparator)
	}
	return fmt.Sprintf("%s\t%s\t%s", labels, strings.Join(p, data.LabelSeparator), r.Text)
}

// several classifies texts with a model that gives them any number of labels.
func (c *classifyCmd) several(a *app, m *opened) error {
	for _, f := range []struct {
		name string
		set  bool
		why  string
	}{
		{"--labels", len(c.Labels) > 0, "it knows its own"}, {"--prompt", c.Prompt != "", "it reads the text alone"}, {"--system", c.System != "", "it reads the text alone"},
		{"--raw", c.Raw, "it reads the text alone"}, {"--abstain-below", c.AbstainBelow != 0, "each label has a threshold, and none of them is an answer too"},
		{"--escalate", c.Escalate != "", "which of its labels a teacher should answer for is not known"}, {"--escalate-lora", c.EscalateLoRA != "", "no teacher is asked"},
		{"--calibrate", c.Calibrate != "", "its thresholds were chosen for the probabilities that it gives"}, {"--explain", c.Explain, "explanations are of models that give a text one label"},
	} {
		if f.set {
			return usagef("%s gives a text any number of its labels, and %s is not for such a model: %s; leave it out", c.Model, f.name, f.why)
		}
	}
	if _, err := m.LoadTokenizer(); err != nil {
		return asInput(err)
	}
	k, err := m.NewMultilabel(engine.MultilabelTask{})
	if err != nil {
		return asInput(err)
	}
	doc := multilabelled{Schema: "freehold/multilabel/1", Model: c.Model, Labels: k.Labels(), Thresholds: map[string]float64{}, Rows: []multilabelRow{}}
	for l, at := range k.Thresholds() {
		doc.Thresholds[k.Labels()[l]] = at
	}
	put := func(texts []string, first int) error {
		all, err := k.Batch(a.ctx, texts)
		if err != nil {
			return c.tooLong(err, c.Model, m, first)
		}
		for i, marks := range all {
			row := multilabelRow{Text: texts[i], Labels: []string{}, Probabilities: map[string]float64{}}
			for _, v := range marks {
				if row.Probabilities[v.Label] = v.P; v.Has {
					row.Labels = append(row.Labels, v.Label)
				}
			}
			if err := addRow(a, c.JSONL, &doc.Rows, row, row.line()); err != nil {
				return err
			}
		}
		return a.out.Flush()
	}
	if err := c.each(classifyTogether, put); err != nil {
		return err
	}
	if !a.json {
		return nil
	}
	return a.emit(doc)
}
