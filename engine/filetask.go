package engine

import (
	"encoding/json"
	"fmt"

	"github.com/freehold-slm/freehold/models/token"
)

// Metadata keys under which a student that answers with label words keeps its task.
const (
	KeyTaskLabels = "freehold.task.labels"
	KeyTaskPrompt = "freehold.task.prompt"
	KeyTaskSystem = "freehold.task.system"
	KeyTaskWords  = "freehold.task.words" // JSON object: label -> spellings

	KeyTaskCalibration = "freehold.task.calibration" // JSON object: Calibration; of a head too
)

// Metadata keys under which a student keeps what an escalation needs.
const (
	KeyTeacherTask    = "freehold.teacher.task"           // JSON object: how the teacher was asked
	KeyTeacherAdapter = "freehold.teacher.adapter.sha256" // of the adapter that the teacher had; absent = none
	KeyAbstainBelow   = "freehold.task.abstain_below"     // probability under which the student had better not answer
)

// teacherTask is the value of KeyTeacherTask.
type teacherTask struct {
	Prompt      string              `json:"prompt"`
	System      string              `json:"system,omitempty"`
	Words       map[string][]string `json:"words,omitempty"`
	Calibration *Calibration        `json:"calibration,omitempty"`
	Remote      string              `json:"remote,omitempty"` // model and address of one that was asked over the network
}

// EncodeTeacherTask writes how a teacher is asked, for KeyTeacherTask.
func EncodeTeacherTask(t Task) (string, error) {
	b, err := json.Marshal(teacherTask{Prompt: t.Prompt, System: t.System, Words: t.Words, Calibration: t.Calibration})
	return string(b), err
}

// TeacherTask is how the model's teacher was asked, with the model's labels. Where its file does not say (found = false),
// it holds the labels alone.
func (c *Classifier) TeacherTask() (t Task, found bool, err error) {
	t.Labels = c.task.Labels
	text, err := c.m.file.StringOr(KeyTeacherTask, "")
	if err != nil || text == "" {
		return t, false, err
	}
	var from teacherTask
	if err := json.Unmarshal([]byte(text), &from); err != nil {
		return t, false, fmt.Errorf("%s: key %s: %v", c.m.file.Name, KeyTeacherTask, err)
	}
	if from.Remote != "" {
		return t, false, fmt.Errorf("%s: its teacher was %s, a remote model, which is asked while a student is made and never after; without a teacher to escalate to it abstains", c.m.file.Name, from.Remote)
	}
	t.Prompt, t.System, t.Words, t.Calibration = from.Prompt, from.System, from.Words, from.Calibration
	return t, true, nil
}

// TeacherAdapter is the sha256 of the adapter file that the model's teacher had; "" = none, or its file does not say.
func (c *Classifier) TeacherAdapter() (string, error) {
	return c.m.file.StringOr(KeyTeacherAdapter, "")
}

// AbstainBelow is the probability under which the model had better not answer, as its file has it; 0 = it does not say.
func (c *Classifier) AbstainBelow() (float64, error) {
	p, err := c.m.file.FloatOr(KeyAbstainBelow, 0)
	if err == nil && !(p >= 0 && p <= 1) {
		err = fmt.Errorf("%s: key %s is %v, want 0 to 1", c.m.file.Name, KeyAbstainBelow, p)
	}
	return p, err
}

// fromFile fills a task that names no labels from the model's own metadata, when it holds a task.
func (t *Task) fromFile(m *Model) error {
	if t.Labels != nil || !m.file.Has(KeyTaskLabels) {
		return nil
	}
	var err error
	if t.Labels, err = m.file.Strings(KeyTaskLabels); err != nil {
		return err
	}
	if t.Prompt == "" {
		if err = t.ownCalibration(m); err != nil {
			return err
		}
		if t.Prompt, err = m.file.StringOr(KeyTaskPrompt, ""); err != nil {
			return err
		}
		if t.System, err = m.file.StringOr(KeyTaskSystem, ""); err != nil {
			return err
		}
	}
	words, err := m.file.StringOr(KeyTaskWords, "")
	if err != nil || words == "" || t.Words != nil {
		return err
	}
	if err := json.Unmarshal([]byte(words), &t.Words); err != nil {
		return fmt.Errorf("%s: key %s: %v", m.file.Name, KeyTaskWords, err)
	}
	return nil
}

// ownCalibration takes the calibration of the model's file, where the task has none.
func (t *Task) ownCalibration(m *Model) error {
	text, err := m.file.StringOr(KeyTaskCalibration, "")
	if err != nil || text == "" || t.Calibration != nil {
		return err
	}
	t.Calibration = &Calibration{}
	err = json.Unmarshal([]byte(text), t.Calibration)
	if err == nil {
		err = t.Calibration.check(len(t.Labels))
	}
	if err != nil {
		return fmt.Errorf("%s: key %s: %v", m.file.Name, KeyTaskCalibration, err)
	}
	return nil
}

// FirstTokens returns the tokens that stand for each label [labels]; an error when two labels begin alike, or when the
// model answers with a head.
func (c *Classifier) FirstTokens() ([][]int32, error) {
	if c.head {
		return nil, fmt.Errorf("engine: %s answers with a classification head, not with words", c.m.file.Name)
	}
	if c.first == nil {
		return nil, fmt.Errorf("engine: two of the labels %q begin with the same token; give them other words", c.task.Labels)
	}
	return c.first, nil
}

// TokensWith is Tokens with another tokenizer, such as a student's trimmed one.
func (c *Classifier) TokensWith(t *token.Tokenizer, text string) []int32 { return c.encode(t, text) }
