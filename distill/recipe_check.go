package distill

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/models/spell"
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
	atKey := func(msg string, path ...string) error {
		e := &RecipeError{File: r.file, Msg: msg}
		if values, ok := entries(findKey(root, path[:len(path)-1]...)); ok {
			for _, v := range values {
				if p := v.Key.GetToken().Position; v.Key.GetToken().Value == path[len(path)-1] {
					e.Line, e.Col = p.Line, p.Column
				}
			}
		}
		return e
	}
	oneOf := func(got string, want []string, path ...string) error {
		if slices.Contains(want, got) {
			return nil
		}
		msg := fmt.Sprintf("%s is %q, want one of: %s", strings.Join(path, "."), got, strings.Join(want, ", "))
		if s := spell.Nearest(got, want); s != "" {
			msg += fmt.Sprintf("; did you mean %q?", s)
		}
		return at(msg, path...)
	}
	between := func(v, lo, hi float64, what string, path ...string) error {
		if v >= lo && v <= hi {
			return nil
		}
		return at(fmt.Sprintf("%s is %v, want %s", strings.Join(path, "."), v, what), path...)
	}
	positive := func(v, hi float64, path ...string) error {
		if v > 0 {
			return between(v, 0, hi, fmt.Sprintf("at most %g", hi), path...)
		}
		return at(fmt.Sprintf("%s is %v, want a positive number", strings.Join(path, "."), v), path...)
	}
	t := &r.Train
	errs := []error{
		between(float64(r.Version), 1, 1, "1", "version"),
		oneOf(r.Task.Type, TaskTypes(), "task", "type"),
		oneOf(r.Student.Init, []string{"base", "random"}, "student", "init"),
		oneOf(r.Student.Vocab, []string{"full", "task"}, "student", "vocab"),
		oneOf(t.Schedule, []string{"constant", "cosine", "linear"}, "train", "schedule"),
		oneOf(t.Precision, []string{"bf16", "f32"}, "train", "precision"),
		oneOf(t.Optimizer, Optimizers(), "train", "optimizer"),
		between(t.Gold, 0, 1, "a share from 0 (the teacher's labels alone) to 1", "train", "gold"),
		between(t.EMA, 0, 0.999999, "a number from 0 (no average) to below 1", "train", "ema"),
		oneOf(r.Numeric, []string{"normal", "reference"}, "numeric"),
		positive(t.Temperature, 1e4, "train", "temperature"),
		positive(t.LR, 1e3, "train", "lr"),
		positive(float64(t.Batch), 1<<16, "train", "batch"),
		positive(float64(t.MaxTokens), 1<<20, "train", "max_tokens"),
		positive(float64(t.SaveEvery), 1e9, "train", "save_every"),
		between(t.Epochs, 0, 1e6, "at most 1e+06", "train", "epochs"),
		between(float64(t.Steps), 0, 1e9, "at most 1e+09", "train", "steps"),
		positive(t.Epochs+float64(t.Steps), 2e9, "train", "epochs"),
		between(float64(t.Warmup), 0, 1e9, "a number of steps from 0", "train", "warmup"),
		between(t.WeightDecay, 0, 1e3, "a number from 0", "train", "weight_decay"),
		between(t.Match.States, 0, 1e6, "a weight from 0 (none)", "train", "match", "states"),
		between(t.Match.Attention, 0, 1e6, "a weight from 0 (none)", "train", "match", "attention"),
		between(t.After, 0, 0.99, "a part from 0 (all steps round) to 0.99", "train", "quantize_after"),
		between(t.Clip, 0, 1e9, "a number from 0 (0 = no clipping)", "train", "clip"),
	}
	if findKey(root, "version") == nil {
		return at("version is missing; want version: 1")
	}
	if ty, ok := taskTypes[r.Task.Type]; ok {
		errs = append(errs, oneOf(t.Loss, ty.losses, "train", "loss"))
		for _, key := range typedKeys() {
			path := strings.Split(key, ".")
			if !slices.Contains(ty.keys, key) && findKey(root, path...) != nil {
				errs = append(errs, atKey(fmt.Sprintf("%s is for task type %s; leave it out of one that is %s", key, strings.Join(typesWith(key), " and "), r.Task.Type), path...))
			}
		}
		if slices.Contains(ty.keys, "teacher.calibration") {
			errs = append(errs, oneOf(r.Teacher.Calibration, []string{"none", "mean", "median"}, "teacher", "calibration"), oneOf(r.Student.Head, []string{"pooled", "words"}, "student", "head"))
		}
		if c := r.Student.Calibration; c != "" && slices.Contains(ty.keys, "student.calibration") {
			errs = append(errs, oneOf(c, []string{"none", "temperature"}, "student", "calibration"))
		}
		errs = append(errs, checkRemote(r, at, func(path ...string) bool { return findKey(root, path...) != nil }))
		errs = append(errs, ty.check(r, at)...)
		errs = append(errs, checkConfidence(r, at))
	}
	errs = append(errs, checkAttention(r, at)...)
	if l := r.Student.LoRA; l.Rank != 0 || l.Alpha != 0 || l.Targets != nil || l.Kind != "" || l.Init != "" {
		errs = append(errs, oneOf(l.Kind, []string{"lora", "dora"}, "student", "lora", "kind"), positive(float64(l.Rank), 4096, "student", "lora", "rank"), positive(l.Alpha, 1e6, "student", "lora", "alpha"))
	}
	if l := r.Student.LoRA; l.Init != "" {
		errs = append(errs, oneOf(l.Init, []string{"pissa", "random"}, "student", "lora", "init"))
	}
	if s := r.Student; s.Init == "random" && (len(s.Freeze) > 0 || s.LoRA.Rank > 0) {
		errs = append(errs, at("student.init is random, and student.freeze or student.lora would leave random weights as they are; write freeze: [] and no lora", "student", "init"))
	}
	if n := len(r.Student.Layers); n == 0 || n > maxLayers {
		errs = append(errs, at(fmt.Sprintf("student.layers keeps %d layers, want 1 to %d", n, maxLayers), "student", "layers"))
	}
	if r.Name == "" || strings.ContainsAny(r.Name, "/\\\x00 ") {
		errs = append(errs, at(fmt.Sprintf("name is %q, want a word without spaces and slashes", r.Name), "name"))
	}
	if !r.pairs() && strings.Count(r.Task.Prompt, "{text}") != 1 {
		errs = append(errs, at(fmt.Sprintf("task.prompt holds {text} %d times, want once", strings.Count(r.Task.Prompt, "{text}")), "task", "prompt"))
	}
	if r.Teacher.Model == "" {
		errs = append(errs, at("teacher.model is missing: a catalogue name or a path", "teacher"))
	}
	if t.Epochs > 0 && t.Steps > 0 {
		errs = append(errs, at("train.steps and train.epochs are both given; keep one", "train", "steps"))
	}
	if t.Keep != "" {
		errs = append(errs, oneOf(t.Keep, []string{"best", "last"}, "train", "keep"))
	}
	if d := &r.Data; r.keepsBest() && d.Valid == "" && d.Split.Valid == 0 && d.ValidRows == 0 {
		errs = append(errs, at("train.keep is best, and there are no validation rows to tell; give data.valid, data.split.valid or, of a source, data.valid_rows", "train", "keep"))
	}
	if r.keepsBest() && t.EMA > 0 {
		errs = append(errs, at("train.keep is best and train.ema is given; keep one: each chooses the weights", "train", "keep"))
	}
	errs = append(errs, checkOuter(r, at))
	if t.Match.Attention > 0 && t.Recompute {
		errs = append(errs, at("train.match.attention and train.recompute are both given; keep one: recomputed layers do not keep what they attend to", "train", "match", "attention"))
	}
	for i, f := range append([]string{r.Student.Format}, r.Quantize...) {
		if _, err := quant.MixByName(f); err == nil {
			continue
		}
		var known []string
		for _, m := range quant.Mixes() {
			known = append(known, m.Name)
		}
		if i == 0 {
			errs = append(errs, oneOf(f, known, "student", "format"))
		} else {
			errs = append(errs, at(spell.Unknown("format", f, "quantize", known), "quantize"))
		}
	}
	if written := append([]string{r.Student.Format}, r.Quantize...); t.Quantize != "" {
		for i, f := range written {
			written[i] = strings.ToLower(f)
		}
		if errs = append(errs, oneOf(strings.ToLower(t.Quantize), written, "train", "quantize")); r.Student.LoRA.Rank > 0 {
			errs = append(errs, at("train.quantize and student.lora are both given; keep one: adapters learn beside weights that stay as they are", "train", "quantize"))
		}
	}
	if t.After != 0 && t.Quantize == "" {
		errs = append(errs, at("train.quantize_after is given without train.quantize, the format whose rounding comes after it", "train", "quantize_after"))
	}
	for _, metric := range sortedKeys(r.Eval.Gates) {
		if known := taskTypes[r.Task.Type].metrics; known != nil && !slices.Contains(known, metric) {
			errs = append(errs, atKey(spell.Unknown("metric", metric, "eval.gates", known), "eval", "gates", metric))
		} else if _, _, err := parseGate(r.Eval.Gates[metric]); err != nil {
			errs = append(errs, at(fmt.Sprintf("eval.gates.%s: %v", metric, err), "eval", "gates", metric))
		}
	}
	d := &r.Data
	errs = append(errs,
		checkSliceNames(r, at),
		oneOf(d.Duplicates, []string{"exact", "keep", "near"}, "data", "duplicates"),
		between(d.Near, 0.5, 1, "a similarity from 0.5 to 1", "data", "near"),
		between(float64(d.MinChars), 0, 1e9, "a number of characters from 0 (no bound)", "data", "min_chars"),
		between(float64(d.MaxChars), 0, 1e9, "a number of characters from 0 (no bound)", "data", "max_chars"),
		between(d.Split.Valid, 0, 0.9, "a part from 0 to 0.9", "data", "split", "valid"),
		between(d.Split.Test, 0, 0.9, "a part from 0 to 0.9", "data", "split", "test"),
		between(d.Split.Valid+d.Split.Test, 0, 0.95, "at most 0.95 for valid and test together", "data", "split"))
	errs = append(errs, checkAugment(r, at)...)
	for _, code := range d.Language {
		errs = append(errs, oneOf(code, data.Languages(), "data", "language"))
	}
	for _, kind := range d.Mask {
		errs = append(errs, oneOf(kind, data.Masks(), "data", "mask"))
	}
	switch {
	case d.Source != "" && (d.Train != "" || d.Valid != "" || d.Test != ""):
		errs = append(errs, at("data.source and data files are both given; keep one", "data"))
	case d.Source == "" && d.Train == "":
		errs = append(errs, at("data needs a train file, or a source", "data"))
	case d.Source == "" && d.Test == "" && d.Split.Test == 0:
		errs = append(errs, at("data needs a test file, or split.test: the part of the train file that is set apart, such as 0.2", "data"))
	case (d.Source != "" || d.Test != "" || d.Valid != "") && d.Split != (data.Fractions{}):
		errs = append(errs, at("data.split is for a train file alone; leave it out, or the source, valid and test files", "data", "split"))
	case d.Source != "" && d.Columns != (data.Columns{}):
		errs = append(errs, at("data.columns are for files; a source has its own", "data", "columns"))
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

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// path makes a recipe's path relative to the recipe's folder, or finds it in the bundle.
func (r *Recipe) path(p string) string {
	if to, ok := r.bundle[p]; ok {
		return to
	}
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(r.dir, p)
}

// CorrectionsFile is where corrections of the recipe's rows are, or would be.
func (r *Recipe) CorrectionsFile() string {
	if r.Data.Corrections == "" {
		return r.path("corrections.jsonl")
	}
	return r.path(r.Data.Corrections)
}

// errText is an error without the path that it repeats.
func errText(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// checkAttention refuses what a student whose tokens see those after them cannot do.
func checkAttention(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	if a := r.Student.Attention; a != "" && !r.bidirectional() {
		return []error{at(spell.Unknown("value", a, "student.attention", []string{"bidirectional", "causal"}), "student", "attention")}
	}
	if r.bidirectional() && r.Student.Head == "words" {
		errs = append(errs, at("student.attention is bidirectional, and student.head is words: the words come after the text, which is what such a student cannot write; use head: pooled", "student", "attention"))
	}
	if r.bidirectional() && r.Train.Match.Attention > 0 {
		errs = append(errs, at("student.attention is bidirectional, and train.match.attention is given: the layers that it would be held against are causal; leave one out", "student", "attention"))
	}
	return errs
}
