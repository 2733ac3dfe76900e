package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// validation is how many of the rows that a recipe calls test rows settings are chosen on; the others are judged on.
const validation = 1000

// answer is what a student and its teacher say of a row: probabilities of the labels.
type answer struct {
	Gold    int       `json:"gold"`
	Student []float64 `json:"student"`
	Teacher []float64 `json:"teacher"` // nil = it was not asked
}

// runner makes students.
type runner struct {
	dir     string
	threads int
}

// answers is an answering that keeps what it found out in the run's folder.
func (b *runner) answers(ctx context.Context, r run, format string, test bool) ([]answer, error) {
	path := filepath.Join(b.dir, r.name()+".yaml")
	if err := os.MkdirAll(b.dir, 0o777); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, r.recipe(), 0o666); err != nil {
		return nil, err
	}
	recipe, err := distill.LoadRecipe(path)
	if err != nil {
		return nil, err
	}
	job, err := distill.NewJob(ctx, recipe, distill.Options{Threads: b.threads, Run: r.name(), Warn: func(s string) { fmt.Fprintf(os.Stderr, "%s: %s\n", r.name(), s) }})
	if err != nil {
		return nil, err
	}
	part := "valid"
	if test {
		part = "test"
	}
	kept := filepath.Join(job.Dir(), "methods."+packed(part, format)+".jsonl")
	list, err := readAnswers(kept)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return list, err
	}
	model := filepath.Join(job.Dir(), "model.gguf")
	if _, err := os.Stat(model); err != nil {
		fmt.Fprintf(os.Stderr, "%s: training\n", r.name())
		for _, stage := range []string{"label", "train"} {
			if _, err := job.Apply(ctx, distill.Stages{Only: stage}); err != nil {
				return nil, err
			}
		}
		if err := os.RemoveAll(filepath.Join(job.Dir(), "checkpoints")); err != nil { // hundreds of megabytes
			return nil, err
		}
	}
	if format != "" {
		if model, err = b.pack(model, format); err != nil {
			return nil, err
		}
	}
	rows, teacher, err := job.TestRows(ctx)
	if err != nil {
		return nil, err
	}
	rows = slices.Concat(rows, job.ValidRows())
	teacher = append(teacher, make([][]float64, len(rows)-len(teacher))...) // which has not labelled those
	if test {
		rows, teacher = rows[validation:], teacher[validation:]
	} else {
		rows, teacher = rows[:validation], teacher[:validation]
	}
	fmt.Fprintf(os.Stderr, "%s: %d rows for %s\n", packed(r.name(), format), len(rows), part)
	if list, err = b.ask(ctx, model, rows, teacher); err != nil {
		return nil, err
	}
	return list, writeAnswers(kept, list)
}

// pack writes a file in a format beside it.
func (b *runner) pack(path, format string) (string, error) {
	mix, err := quant.MixByName(format)
	if err != nil {
		return "", err
	}
	f, err := gguf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read-only
	w, _, err := models.Requantize(f, mix, models.RequantizeOptions{})
	if err != nil {
		return "", err
	}
	out := filepath.Join(filepath.Dir(path), "model."+format+".gguf")
	return out, w.WriteTo(out)
}

// ask classifies the rows by the model in a file.
func (b *runner) ask(ctx context.Context, path string, rows []distill.Row, teacher [][]float64) ([]answer, error) {
	m, err := engine.Open(path, engine.WithThreads(b.threads))
	if err != nil {
		return nil, err
	}
	defer m.Close() //nolint:errcheck // read-only
	c, err := m.NewClassifier(engine.Task{})
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, r := range rows {
		texts = append(texts, r.Text)
	}
	scores, err := c.LogProbs(ctx, texts)
	if err != nil {
		return nil, err
	}
	list := make([]answer, len(rows))
	for i, r := range rows {
		list[i] = answer{r.Gold, c.Probabilities(scores[i]), teacher[i]}
	}
	return list, nil
}

func readAnswers(path string) (list []answer, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// writeAnswers leaves either the whole file or none.
func writeAnswers(path string, list []answer) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, a := range list {
		if err := enc.Encode(a); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path+".tmp", b.Bytes(), 0o666); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func likely(p []float64) int { return slices.Index(p, slices.Max(p)) }

// right is 1 for rows that are answered as the data says, else 0.
func right(list []answer) []float64 {
	return each(list, func(a answer) float64 { return oneIf(likely(a.Student) == a.Gold) })
}

// asked tells whether the teacher was asked about the rows.
func asked(list []answer) bool { return list[0].Teacher != nil }

// agreement is 1 for rows that are answered as the teacher does, else 0.
func agreement(list []answer) []float64 {
	return each(list, func(a answer) float64 { return oneIf(likely(a.Student) == likely(a.Teacher)) })
}

// divergence is KL(teacher || student) in nats.
func divergence(list []answer) []float64 {
	return each(list, func(a answer) (kl float64) {
		for k, p := range a.Teacher {
			if p > 0 {
				kl += p * math.Log(p/max(a.Student[k], 1e-12))
			}
		}
		return kl
	})
}

// surprise is the cross-entropy with the teacher's label in nats.
func surprise(list []answer) []float64 {
	return each(list, func(a answer) float64 { return -math.Log(max(a.Student[likely(a.Teacher)], 1e-12)) })
}

func each(list []answer, of func(answer) float64) []float64 {
	out := make([]float64, len(list))
	for i, a := range list {
		out[i] = of(a)
	}
	return out
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
