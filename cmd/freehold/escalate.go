package main

import (
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
	if up.line == 0 {
		var err error
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
	if up.model, err = a.openModel(c.Escalate, &c.modelFlags); err != nil {
		return nil, err
	}
	if up.teacher, err = up.model.NewClassifier(task); err != nil {
		up.close()
		return nil, usagef("%s: %s", c.Escalate, errorText(err))
	}
	return up, nil
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
