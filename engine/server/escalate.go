package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// A student is a model with labels of its own (a head, or the task that its file holds). Asked for no other task, it abstains from texts of
// which its best label is less probable than a line; a teacher may then be asked.

// WithAbstainBelow is the line of all students, in place of those that their files hold.
func WithAbstainBelow(p float64) Option {
	return func(c *config) error {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("server: the line to abstain below is %v, want a probability from 0 to 1", p)
		}
		c.below = p
		return nil
	}
}

// WithTeacher names the model that is asked about texts from which students abstain, as each student's file says that its teacher was asked.
func WithTeacher(name string) Option {
	return func(c *config) error { c.teacher = name; return nil }
}

// Hide keeps a model from requests: they cannot name it, and it stands in no list. It opens and closes like the others.
func (ms *Models) Hide(name string) error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	e := ms.find(name)
	if e == nil {
		return fmt.Errorf("server: there is no model %q to hide", name)
	}
	e.hidden = true
	return nil
}

// What CheckStudents finds that a caller has an answer to: a line by WithAbstainBelow, an adapter by Models.Add.
var (
	ErrNoAbstainLine = errors.New("no line to abstain below")
	ErrOtherAdapter  = errors.New("the student's teacher had an adapter")
)

// question is how the teacher is asked, as a student's file has it.
type question struct {
	task    engine.Task
	adapter string // sha256 of the adapter that the teacher must have; "" = any
}

// student finds the line to abstain below (0 = it never does) and how its teacher is asked. k is the model's own task.
func (s *Server) student(m *loaded, k *engine.Classifier) (line float64, q question, err error) {
	if m.parent != "" || m.name == s.cfg.teacher {
		return 0, q, nil
	}
	if line = s.cfg.below; line == 0 {
		if line, err = k.AbstainBelow(); err != nil {
			return 0, q, err
		}
	}
	if q.task, _, err = k.TeacherTask(); err != nil {
		return 0, q, err
	}
	q.adapter, err = k.TeacherAdapter()
	return line, q, err
}

// prepare makes the teacher ready for a question.
func (q *question) prepare(teacher *loaded) (*engine.Classifier, error) {
	if q.adapter != "" && q.adapter != teacher.adapter {
		have := "none"
		if teacher.adapter != "" {
			have = fmt.Sprintf("%.12s", teacher.adapter)
		}
		return nil, fmt.Errorf("%w (sha256 %.12s), and %q has %s", ErrOtherAdapter, q.adapter, teacher.name, have)
	}
	return teacher.NewClassifier(q.task)
}

// CheckStudents tells whether each model with labels of its own has a line to abstain below and, where there is a teacher, whether it can be asked
// for all of them. It is an error where there is no such model. On demand it opens them.
func (s *Server) CheckStudents(ctx context.Context) error {
	s.models.mu.Lock()
	names := s.models.names()
	s.models.mu.Unlock()
	found := false
	for _, name := range names {
		q, err := s.checkStudent(ctx, name)
		if err != nil {
			return fmt.Errorf("server: %s: %w", name, uncovered(err))
		}
		if q == nil {
			continue
		}
		if found = true; s.cfg.teacher == "" {
			continue
		}
		teacher, release, err := s.models.useHidden(ctx, s.cfg.teacher)
		if err == nil {
			_, err = q.prepare(teacher)
			release()
		}
		if err != nil {
			return fmt.Errorf("server: %s cannot be answered for by its teacher: %w", name, uncovered(err))
		}
	}
	if !found {
		return errors.New("server: no model is a student: none has labels of its own (a classification head, or the task that a recipe writes into its file), of which it gives a text one; nothing escalates or is collected for those that give any number")
	}
	return nil
}

func (s *Server) checkStudent(ctx context.Context, name string) (*question, error) {
	m, release, err := s.models.use(ctx, name)
	if err != nil {
		return nil, err
	}
	defer release()
	if m.parent != "" || m.name == s.cfg.teacher || !m.hasLabels() || m.IsMultilabel() {
		return nil, nil
	}
	k, err := m.NewClassifier(engine.Task{})
	if err != nil {
		return nil, err
	}
	line, q, err := s.student(m, k)
	if err == nil && line == 0 {
		err = fmt.Errorf("the file holds %w (task.abstain_below of a recipe); give one", ErrNoAbstainLine)
	}
	return &q, err
}

// uncovered is an error without the cover that requests get.
func uncovered(err error) error {
	if open := (*openError)(nil); errors.As(err, &open) {
		return open.err
	}
	if text, ok := strings.CutPrefix(err.Error(), "engine: "); ok {
		return errors.New(text)
	}
	return err
}

// hasLabels tells whether a model classifies without being told the labels.
func (l *loaded) hasLabels() bool {
	return len(l.Spec.Labels) > 1 || l.File().Has(engine.KeyTaskLabels)
}

// unsure sees to the answers below a student's line, and counts.
func (c *call) unsure(out *classifyList, q *question, texts []string, explain bool) error {
	if out.AbstainBelow == 0 {
		return nil
	}
	answered := map[string]int64{}
	var below []int
	for i := range out.Data {
		row := &out.Data[i]
		if row.P < out.AbstainBelow {
			below = append(below, i)
		} else {
			answered["student"]++
		}
		if c.s.cfg.teacher != "" {
			row.AnsweredBy = "student"
		}
	}
	if out.Teacher = c.s.cfg.teacher; out.Teacher == "" {
		for _, i := range below {
			out.Data[i].Abstained = true
		}
		answered["nobody"] = int64(len(below))
	} else if len(below) > 0 {
		if err := c.escalate(q, texts, below, out.Data, explain); err != nil {
			return err
		}
		answered["teacher"] = int64(len(below))
	}
	c.s.metrics.answered(out.Model, answered)
	return nil
}

// escalate puts the teacher's answers in the place of the student's. The student may close meanwhile: a request never holds one model while it
// waits for room for another.
func (c *call) escalate(q *question, texts []string, below []int, rows []classified, explain bool) error {
	c.release()
	teacher, release, err := c.s.models.useHidden(c.r.Context(), c.s.cfg.teacher)
	if err != nil {
		return err
	}
	defer release()
	k, err := q.prepare(teacher)
	if err != nil { // a file was changed since the server was started
		return &openError{c.s.cfg.teacher, err}
	}
	asked := make([]string, len(below))
	for i, at := range below {
		asked[i] = texts[at]
	}
	tokens, err := tokensOf(k, asked)
	if err != nil {
		return err
	}
	for i, t := range tokens {
		if len(t) > teacher.Context() {
			e := contextError(fmt.Sprintf("input[%d]", below[i]), len(t), teacher.Context())
			e.Message = fmt.Sprintf("the teacher's maximum context length is %d tokens, and input[%d], of which the student is not sure, has %d; shorten it", teacher.Context(), below[i], len(t))
			return e
		}
	}
	answers, err := c.labelled(k, asked, tokens, explain)
	if err != nil {
		return err
	}
	for i, a := range answers {
		row := &rows[below[i]]
		a.Index, a.AnsweredBy, a.Student = row.Index, "teacher", &firstAnswer{row.Label, row.P}
		*row = a
	}
	c.teacher = teacher.about
	return nil
}

// useHidden is use for the server's own questions, by the name of any model.
func (ms *Models) useHidden(ctx context.Context, name string) (*loaded, func(), error) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	e := ms.find(name)
	if e == nil {
		return nil, nil, &apiError{Status: http.StatusServiceUnavailable, Type: typeServer, Code: "model_failed", Message: fmt.Sprintf("there is no model %q", name)}
	}
	return ms.hold(ctx, e, name)
}

// visible are the entries that requests may name. The caller holds the lock.
func (ms *Models) visible() []*entry {
	return slices.DeleteFunc(slices.Clone(ms.entries), func(e *entry) bool { return e.hidden })
}
