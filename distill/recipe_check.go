package distill

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/quant"
	"github.com/goccy/go-yaml/ast"
)

// check refuses values that cannot work, at the place where they stand.
func (r *Recipe) check(root ast.Node) error {
	at := func(msg string, path ...string) error {
		e := &RecipeError{File: r.file, Msg: msg}
		for n := len(path); n > 0 && e.Line == 0; n-- {
			if node := findKey(root, path[:n]...); node != nil {
				e.Line, e.Col = node.GetToken().Position.Line, node.GetToken().Position.Column
			}
		}
		return e
	}
	oneOf := func(got string, want []string, path ...string) error {
		if slices.Contains(want, got) {
			return nil
		}
		msg := fmt.Sprintf("%s is %q, want one of: %s", strings.Join(path, "."), got, strings.Join(want, ", "))
		if s := nearest(got, want); s != "" {
			msg += fmt.Sprintf("; did you mean %q?", s)
		}
		return at(msg, path...)
	}
	positive := func(v float64, path ...string) error {
		if !(v > 0) || !finite(v) {
			return at(fmt.Sprintf("%s is %v, want a positive number", strings.Join(path, "."), v), path...)
		}
		return nil
	}
	t := &r.Train
	errs := []error{
		oneOf(r.Task.Type, []string{"classify"}, "task", "type"),
		oneOf(r.Teacher.Calibration, []string{"none", "mean", "median"}, "teacher", "calibration"),
		oneOf(r.Student.Head, []string{"pooled", "words"}, "student", "head"),
		oneOf(r.Student.Vocab, []string{"full", "task"}, "student", "vocab"),
		oneOf(t.Loss, []string{"ce", "forward_kl", "reverse_kl", "jsd"}, "train", "loss"),
		oneOf(t.Schedule, []string{"constant", "cosine", "linear"}, "train", "schedule"),
		oneOf(r.Numeric, []string{"normal", "reference"}, "numeric"),
		positive(t.Temperature, "train", "temperature"),
		positive(t.LR, "train", "lr"),
		positive(float64(t.Batch), "train", "batch"),
		positive(float64(t.MaxTokens), "train", "max_tokens"),
		positive(float64(t.SaveEvery), "train", "save_every"),
		positive(t.Epochs+float64(t.Steps), "train", "epochs"),
	}
	if r.Version != 1 {
		errs = append([]error{at(fmt.Sprintf("version is %d, want 1", r.Version), "version")}, errs...)
	}
	if r.Name == "" || strings.ContainsAny(r.Name, "/\\\x00 ") {
		errs = append(errs, at(fmt.Sprintf("name is %q, want a word without spaces and slashes", r.Name), "name"))
	}
	if len(r.Task.Labels) < 2 {
		errs = append(errs, at(fmt.Sprintf("task.labels has %d labels, want at least 2", len(r.Task.Labels)), "task", "labels"))
	}
	if strings.Count(r.Task.Prompt, "{text}") != 1 {
		errs = append(errs, at("task.prompt must hold {text} once", "task", "prompt"))
	}
	if r.Teacher.Model == "" {
		errs = append(errs, at("teacher.model is missing: a catalogue name or a path", "teacher"))
	}
	if t.Epochs > 0 && t.Steps > 0 {
		errs = append(errs, at("train.steps and train.epochs are both given; keep one", "train", "steps"))
	}
	for _, f := range append([]string{r.Student.Format}, r.Quantize...) {
		if _, err := quant.MixByName(f); err != nil {
			errs = append(errs, at(err.Error(), "quantize"))
		}
	}
	for metric, cond := range r.Eval.Gates {
		if !slices.Contains(gateMetrics, metric) {
			errs = append(errs, oneOf(metric, gateMetrics, "eval", "gates"))
		} else if _, _, err := parseGate(cond); err != nil {
			errs = append(errs, at(fmt.Sprintf("eval.gates.%s: %v", metric, err), "eval", "gates", metric))
		}
	}
	d := &r.Data
	switch {
	case d.Source != "" && (d.Train != "" || d.Valid != "" || d.Test != ""):
		errs = append(errs, at("data.source and data files are both given; keep one", "data"))
	case d.Source == "" && (d.Train == "" || d.Test == ""):
		errs = append(errs, at("data needs train and test files, or a source", "data"))
	case d.Source != "" && (d.TrainRows <= 0 || d.TestRows <= 0):
		errs = append(errs, at("data.source needs train_rows and test_rows", "data"))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// path makes a recipe's path relative to the recipe's folder.
func (r *Recipe) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(r.dir, p)
}

// DataError says that an input file is missing, empty or corrupt.
type DataError struct {
	File string
	Line int // 0 = the file as a whole
	Msg  string
	Fix  string // what to do; may be empty
}

func (e *DataError) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	s += ": " + e.Msg
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return s
}

// errText is an error without the path that it repeats.
func errText(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
