package main

import (
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/freehold-slm/freehold/engine"
)

// escalation is what becomes of texts that a classifier is not sure of: it abstains, or its teacher is asked.
type escalation struct {
	line         float64 // below it
	model        *opened // nil = nobody is asked
	teacher      *engine.Classifier
	asked, texts int
}

// escalation opens the teacher and finds how it is asked: as the flags say, else as the student's file does.
func (c *classifyCmd) escalation(a *app, k *engine.Classifier) (*escalation, error) {
	up := &escalation{line: c.AbstainBelow}
	if up.line < 0 || up.line > 1 {
		return nil, usagef("--abstain-below is %v, want a probability from 0 to 1", up.line)
	}
	if c.Escalate == "" {
		return up, nil
	}
	flags, err := c.teacherFlags(k)
	if err != nil {
		return nil, err
	}
	if up.line == 0 {
		if up.line, err = k.AbstainBelow(); err != nil {
			return nil, asInput(err)
		}
	}
	if up.line == 0 {
		return nil, usagef("--escalate needs --abstain-below P, for %s does not hold a line (task.abstain_below of a recipe)", c.Model)
	}
	task, known, err := k.TeacherTask()
	if err != nil {
		return nil, asInput(err)
	}
	if !known && c.Prompt == "" {
		a.note("%s does not say how its teacher was asked: asking a plain question that lists the labels (--prompt gives another)", c.Model)
	}
	if c.Prompt != "" {
		task.Prompt, task.System, task.Raw, task.Calibration = c.Prompt, c.System, c.Raw, nil
	}
	if up.model, err = a.openModel(c.Escalate, flags); err != nil {
		return nil, err
	}
	if up.teacher, err = up.model.NewClassifier(task); err != nil {
		up.close()
		return nil, usagef("%s: %s", c.Escalate, errorText(err))
	}
	return up, nil
}

// teacherFlags are the flags that the teacher is opened with: its own adapter in place of the student's. A teacher without the
// adapter that the student learnt from would be another.
func (c *classifyCmd) teacherFlags(k *engine.Classifier) (*modelFlags, error) {
	flags := c.modelFlags
	want, err := k.TeacherAdapter()
	if err != nil {
		return nil, asInput(err)
	}
	flags.LoRA = nil
	if c.EscalateLoRA == "" && want == "" {
		return &flags, nil
	}
	if c.EscalateLoRA == "" {
		return nil, usagef("the teacher of %s had an adapter (sha256 %.12s); give it with --escalate-lora FILE: it is teacher/adapter.gguf of the run folder", c.Model, want)
	}
	b, err := os.ReadFile(c.EscalateLoRA)
	if err != nil {
		return nil, asInput(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(b)); want != "" && got != want {
		return nil, usagef("--escalate-lora %s has sha256 %.12s, and the teacher of %s had the adapter %.12s", c.EscalateLoRA, got, c.Model, want)
	}
	flags.LoRA = []string{c.EscalateLoRA}
	return &flags, nil
}

// answer marks the rows below the line, or gives them the teacher's answers.
func (e *escalation) answer(a *app, rows []classifyRow) error {
	var texts []string
	var at []int
	for i := range rows {
		r := &rows[i]
		below := r.P < e.line
		if e.teacher == nil {
			r.Abstained = below
			continue
		}
		if r.AnsweredBy = "student"; below {
			texts, at = append(texts, r.Text), append(at, i)
		}
	}
	if e.texts += len(rows); len(texts) == 0 {
		return nil
	}
	e.asked += len(texts)
	all, err := e.teacher.Batch(a.ctx, texts)
	if err != nil {
		return err
	}
	for i, choices := range all {
		r := &rows[at[i]]
		first := &firstAnswer{r.Label, r.P}
		*r = rowOf(r.Text, choices)
		r.AnsweredBy, r.Student = "teacher", first
	}
	return nil
}

// tell says how many texts the teacher was asked about.
func (e *escalation) tell(a *app) {
	if e.teacher != nil {
		a.note("the teacher answered %d of %d texts, those below %g", e.asked, e.texts, e.line)
	}
}

func (e *escalation) close() {
	if e.model != nil {
		e.model.Close()
	}
}
