package distill

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// RationaleRecipe has the teacher also write why the answer to a training row is right, and the student learn that beside the answer (distilling step by step,
// Hsieh et al. 2023, arXiv:2305.02301). The student tells the two apart by the prompt; when it is used only the answer is asked, so a row costs what it cost.
type RationaleRecipe struct {
	Prompt        string  `yaml:"prompt" json:"prompt,omitempty"`                 // the teacher's user turn, with {text} and, where it shall know the answer, {answer}; "" = no rationales
	StudentPrompt string  `yaml:"student_prompt" json:"student_prompt,omitempty"` // the student's, with {text}
	MaxTokens     int     `yaml:"max_tokens" json:"max_tokens,omitempty"`         // of a rationale
	Weight        float64 `yaml:"weight" json:"weight"`                           // of its loss beside the answers'; 0 = nothing is learnt of them
}

// fillRationale puts in what a recipe with rationales does not say.
func fillRationale(r *Recipe, said func(path ...string) bool) {
	if !said("train", "rationale") {
		return
	}
	q := &r.Train.Rationale
	if !said("train", "rationale", "student_prompt") {
		q.StudentPrompt = r.Student.Prompt
		if q.StudentPrompt == "" {
			q.StudentPrompt = r.Task.Prompt
		}
		q.StudentPrompt = "Explain: " + q.StudentPrompt
	}
	if !said("train", "rationale", "max_tokens") {
		q.MaxTokens = 128
	}
	if !said("train", "rationale", "weight") {
		q.Weight = 1
	}
}

func checkRationale(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	q := r.Train.Rationale
	if q == (RationaleRecipe{}) {
		return nil
	}
	refuse := func(key, format string, args ...any) {
		errs = append(errs, at("train.rationale."+key+fmt.Sprintf(format, args...), "train", "rationale", key))
	}
	own := r.Student.Prompt
	if own == "" {
		own = r.Task.Prompt
	}
	switch texts, answers := strings.Count(q.Prompt, "{text}"), strings.Count(q.Prompt, "{answer}"); {
	case q.Prompt == "":
		refuse("prompt", ` is missing: what the teacher is asked, such as "{text}\n\nThe answer is {answer}. Say in one sentence why."`)
	case texts != 1:
		refuse("prompt", " holds {text} %d times, want once", texts)
	case answers > 1:
		refuse("prompt", " holds {answer} %d times, want once, or never where the teacher shall not know it", answers)
	}
	if n := strings.Count(q.StudentPrompt, "{text}"); n != 1 {
		refuse("student_prompt", " holds {text} %d times, want once", n)
	} else if q.StudentPrompt == own {
		refuse("student_prompt", " is also the prompt for answers, and the student tells rationales from answers by it; write another, such as %q", "Explain: "+own)
	}
	if q.MaxTokens < 1 || q.MaxTokens > 1<<20 {
		refuse("max_tokens", " is %d, want 1 to %d", q.MaxTokens, 1<<20)
	}
	if !(q.Weight >= 0 && q.Weight <= 1000) {
		refuse("weight", " is %v, want 0 (nothing is learnt of rationales) to 1000; answers have 1", q.Weight)
	}
	if r.Teacher.remote() {
		errs = append(errs, at("train.rationale asks a model of this machine, and teacher.openai is a remote one, which is asked for answers alone; leave it out", "train", "rationale"))
	}
	return errs
}

// String says it for people; "" = none.
func (q RationaleRecipe) String() string {
	if q.Prompt == "" {
		return ""
	}
	return fmt.Sprintf("weight %v, up to %d tokens", q.Weight, q.MaxTokens)
}

// explains tells whether the teacher writes rationales.
func (w *answerWork) explains() bool { return w.j.recipe.Train.Rationale.Prompt != "" }

// rationaleMiddle is the part of the teacher's prompt from the first of {text} and {answer} to the end of the last: what differs from row to row.
func (q RationaleRecipe) rationaleMiddle() (from, to int) {
	from, to = strings.Index(q.Prompt, "{text}"), strings.Index(q.Prompt, "{text}")+len("{text}")
	if at := strings.Index(q.Prompt, "{answer}"); at >= 0 {
		from, to = min(from, at), max(to, at+len("{answer}"))
	}
	return from, to
}

// asks is how the teacher is asked. What all rows have in common stands in the task, so that it is read once; text and answer are ordinary text in it.
func (q RationaleRecipe) asks(system string) engine.TextTask {
	from, to := q.rationaleMiddle()
	return engine.TextTask{Prompt: q.Prompt[:from] + "{text}" + q.Prompt[to:], System: system, MaxTokens: q.MaxTokens}
}

// fill is a row's text for that task.
func (q RationaleRecipe) fill(text, answer string) string {
	from, to := q.rationaleMiddle()
	return strings.NewReplacer("{text}", text, "{answer}", answer).Replace(q.Prompt[from:to]) // in one pass: a text may spell {answer}
}

// readRationales fills in how a row's rationale becomes the student's tokens; none of a row that has none.
func (w *answerWork) readRationales(m *engine.Model, r *reading) error {
	q := w.j.recipe.Train.Rationale
	if q.Weight == 0 {
		return nil
	}
	task := w.own()
	task.Prompt, task.Schema, task.MaxTokens = q.StudentPrompt, nil, q.MaxTokens
	a, err := m.NewAnswerer(task)
	if err != nil {
		return err
	}
	r.rationale = func(t *tokenizer, row Row) (prompt, reply []int32) {
		line, ok := w.rationales[row.ID]
		if prompt, reply = a.Pair(t, row.Text, line.Rationale); !ok || line.empty() {
			return prompt, nil
		}
		if line.Cut {
			reply = reply[:len(reply)-1] // it did not end there
		}
		return prompt, reply[:max(0, min(len(reply), w.j.recipe.Train.MaxTokens-len(prompt)))] // a student with other tokens may need more than the teacher wrote
	}
	return nil
}

// rationaleTokens are those of the row's rationale example; nil = it has none.
func (r *reading) rationaleTokens(t *tokenizer, row Row) []int32 {
	if r.rationale == nil {
		return nil
	}
	prompt, reply := r.rationale(t, row)
	if len(reply) == 0 {
		return nil
	}
	return append(prompt, reply...)
}

// rationaleExample is what the student learns of a row beside its answer; nil = nothing.
func (r *reading) rationaleExample(row Row) *Example {
	whole := r.rationaleTokens(r.base, row)
	if whole == nil {
		return nil
	}
	_, reply := r.rationale(r.base, row)
	all := r.small(whole)
	return &Example{ID: row.ID, Tokens: all[:len(all)-1], Answer: &AnswerTargets{Labels: all[len(all)-len(reply):]}}
}

// checkRationales refuses, before anything is labelled, rows that leave a rationale no room.
func (w *answerWork) checkRationales(r *reading) error {
	if !w.explains() {
		return nil
	}
	j, q := w.j, w.j.recipe.Train.Rationale
	t, err := engine.Open(j.teacher.path, engine.WithThreads(1), engine.WithLevel(j.level))
	if err != nil {
		return err
	}
	defer t.Close()
	teacher, err := t.NewAnswerer(q.asks(j.recipe.Task.System))
	if err != nil {
		return err
	}
	for _, row := range j.data.Train {
		long := 0 // of an answer that is not known yet
		if row.Gold < 0 {
			long = j.recipe.Task.MaxTokens
		}
		if n := len(teacher.Tokens(nil, q.fill(row.Text, row.Answer))) + long; n+q.MaxTokens > t.Context() {
			return &DataError{File: row.File, Line: row.Line, Msg: fmt.Sprintf("the teacher's prompt for the rationale has up to %d tokens and a rationale up to %d (train.rationale.max_tokens), its context is %d", n, q.MaxTokens, t.Context()),
				Fix: "shorten the row or lower train.rationale.max_tokens"}
		}
		if q.Weight == 0 {
			continue
		}
		limit, what := j.recipe.Train.MaxTokens, "train.max_tokens"
		if c := j.base.spec.Context; c > 0 && c < limit {
			limit, what = c, "the student's context"
		}
		if prompt, _ := r.rationale(r.base, row); len(prompt)+q.MaxTokens > limit {
			return &DataError{File: row.File, Line: row.Line, Msg: fmt.Sprintf("the student's prompt for the rationale has %d tokens and a rationale up to %d (train.rationale.max_tokens), %s is %d", len(prompt), q.MaxTokens, what, limit),
				Fix: "shorten the row, lower train.rationale.max_tokens or raise train.max_tokens"}
		}
	}
	return nil
}
