package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
)

// teachFlags say what becomes of texts that a served student is not sure of.
type teachFlags struct {
	AbstainBelow float64 `help:"Students do not answer where the best label is less probable than this; default: what the file of each says." placeholder:"P"`
	Escalate     string  `complete:"model" help:"Ask this model, the teacher, about texts below a student's line: a name of -m or, as NAME=FILE or FILE, one that requests cannot name. A student's file knows how its teacher was asked." placeholder:"MODEL"`
	EscalateLoRA string  `name:"escalate-lora" help:"The teacher's adapter, where it had one: teacher/adapter.gguf of the run folder." placeholder:"FILE"`

	teacher string // the name of the model that is asked; "" = none
}

// teacherAdapter is the name of the teacher's adapter.
const teacherAdapter = "adapter"

// addTeacher finds the teacher among the models, or adds it.
func (c *serveCmd) addTeacher(a *app, all []servedModel) ([]servedModel, error) {
	if c.Escalate == "" {
		if c.EscalateLoRA != "" {
			return nil, usagef("--escalate-lora is for --escalate, which is not given")
		}
		return all, nil
	}
	for _, m := range all {
		if c.Escalate == m.name || slices.ContainsFunc(m.adapters, func(x servedAdapter) bool { return c.Escalate == m.name+":"+x.name }) {
			if c.EscalateLoRA != "" {
				return nil, usagef("--escalate %s is a model of -m; give its adapter with --adapter %s:NAME=FILE and --escalate %s:NAME", c.Escalate, m.name, m.name)
			}
			c.teacher = c.Escalate
			return all, nil
		}
	}
	m, err := c.served(a, c.Escalate)
	if err != nil {
		return nil, err
	}
	m.hidden, c.teacher = true, m.name
	if c.EscalateLoRA != "" {
		m.adapters = []servedAdapter{{teacherAdapter, engine.Adapter{Path: c.EscalateLoRA, Scale: 1}}}
		c.teacher += ":" + teacherAdapter
	}
	return append(all, m), nil
}

// flag is how the user named the model.
func (m *servedModel) flag() string {
	if m.hidden {
		return "--escalate"
	}
	return "--model"
}

func (m *servedModel) adapterFlag() string {
	if m.hidden {
		return "--escalate-lora"
	}
	return "--adapter"
}

// checkStudents tells, once the models are open, whether they can do what the flags ask of students.
func (c *serveCmd) checkStudents(ctx context.Context, s *server.Server) error {
	var asked []string
	for _, f := range []struct {
		name  string
		given bool
	}{{"--escalate", c.teacher != ""}, {"--collect", c.Collect != ""}, {"--abstain-below", c.AbstainBelow != 0}} {
		if f.given {
			asked = append(asked, f.name)
		}
	}
	if asked == nil {
		return nil
	}
	if err := s.CheckStudents(ctx); err != nil {
		text := strings.TrimPrefix(err.Error(), "server: ")
		switch {
		case errors.Is(err, server.ErrNoAbstainLine):
			text += ": --abstain-below P"
		case errors.Is(err, server.ErrOtherAdapter):
			text += "; give it with --escalate-lora FILE: it is " + filepath.Join("teacher", "adapter.gguf") + " of the run folder"
		}
		return usagef("%s: %s", strings.Join(asked, ", "), text)
	}
	return nil
}
