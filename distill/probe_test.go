package distill

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func probeOf(t *testing.T, recipe string, n int) (*Probe, *Job, error) {
	t.Helper()
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(context.Background(), r, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	p, err := j.Probe(t.Context(), n)
	return p, j, err
}

// A probe scores every prompt on the same rows, recommends the best, holds the teacher against a linear model, and names
// unlabelled rows that are unlike each other. Further prompts change no run.
func TestProbe(t *testing.T) {
	recipe := tinyJobOf(t, 120, 60)
	dir := filepath.Dir(recipe)
	if _, _, err := probeOf(t, recipe, 5); err == nil || !strings.Contains(err.Error(), "data.valid") {
		t.Errorf("without validation rows: error %v", err)
	}
	test, err := os.ReadFile(filepath.Join(dir, "test.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "valid.jsonl"), strings.ReplaceAll(string(test), `"test-`, `"valid-`))
	edit(t, recipe, "test: test.jsonl", "valid: valid.jsonl, test: test.jsonl")
	train, err := os.ReadFile(filepath.Join(dir, "train.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines, unlabelled := strings.SplitAfter(string(train), "\n"), map[string]string{}
	for i := range 40 {
		head, _, _ := strings.Cut(lines[i], `, "label"`)
		lines[i] = head + "}\n"
	}
	write(t, filepath.Join(dir, "train.jsonl"), strings.Join(lines, ""))
	one, before, err := probeOf(t, recipe, 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range before.data.Train {
		if r.Gold < 0 {
			unlabelled[r.ID] = r.Text
		}
	}
	edit(t, recipe, `prompt: "Up`, `prompts: ["{text}: up or down?", "Which way: {text}"], prompt: "Up`)
	p, j, err := probeOf(t, recipe, 20)
	if err != nil {
		t.Fatal(err)
	}
	if j.key != before.key {
		t.Error("a further prompt makes another run")
	}
	if p.Rows != 20 || len(p.Prompts) != 3 || p.Prompts[0] != one.Prompts[0] || p.Majority < 0.5 || (p.Test == nil) != (p.Best == 0) {
		t.Errorf("probe %+v", p)
	}
	for _, q := range p.Prompts {
		if b := p.Prompts[p.Best]; q.Accuracy > b.Accuracy || q.Accuracy == b.Accuracy && q.LogLoss < b.LogLoss || !(q.LogLoss > 0) {
			t.Errorf("%+v is chosen over %+v", b, q)
		}
	}
	if l := p.Linear; l.Rows != 80 || l.Accuracy < 0.9 || math.Abs(l.Test.Difference-(p.Prompts[p.Best].Accuracy-l.Accuracy)) > 1e-12 || l.Test.Rows != 20 {
		t.Errorf("linear model of words that tell the label: %+v", l)
	}
	if len(p.Label) != 20 {
		t.Fatalf("%d rows to label", len(p.Label))
	}
	texts := map[string]bool{}
	for i, r := range p.Label {
		if text, ok := unlabelled[r.ID]; !ok || text != r.Text || texts[r.Text] || r.Hash == "" || r.Margin < 0 || r.Margin > 1 || i > 0 && p.Label[0].Margin > r.Margin {
			t.Errorf("row %d to label: %+v", i, r)
		}
		texts[r.Text] = true
	}
	text := p.Text()
	for _, want := range []string{"probe of 20 validation rows", "* prompt", "linear", "label these 20 rows", p.Says()[0]} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}

	// without gold training rows the linear model learns from other validation rows
	for i := range lines {
		head, _, _ := strings.Cut(strings.TrimSpace(lines[i]), `, "label"`)
		if lines[i] = strings.TrimSuffix(head, "}") + "}\n"; head == "" {
			lines[i] = ""
		}
	}
	write(t, filepath.Join(dir, "train.jsonl"), strings.Join(lines, ""))
	if p, _, err = probeOf(t, recipe, 100); err != nil || p.Rows != 60 || p.Linear.Rows != 48 || !strings.Contains(p.Linear.How, "5-fold") || p.Linear.Accuracy < 0.7 {
		t.Errorf("without gold training rows: %+v (%v)", p, err)
	}
	if !slices.ContainsFunc(p.Says(), func(s string) bool { return strings.Contains(s, "linear") }) {
		t.Errorf("says %q", p.Says())
	}
	var refused *RecipeError
	if _, _, err := probeOf(t, tinyAnswerJob(t, "generate", 8, 4), 5); !errors.As(err, &refused) || !strings.Contains(err.Error(), "classify") {
		t.Errorf("of answers: %v", err)
	}
}

// The curve of a cascade, by hand: the least sure rows go to the teacher, rows of equal probability together.
func TestCascade(t *testing.T) {
	up, down := func(p float64) []float64 { return []float64{p, 1 - p} }, func(p float64) []float64 { return []float64{1 - p, p} }
	student := [][]float64{up(0.9), up(0.6), down(0.6), up(0.8)}
	teacher := [][]float64{up(0.7), down(0.7), down(0.7), down(0.7)}
	c := cascade(student, teacher, []int{0, 1, 0, 0})
	want := []CascadePoint{{0, 0, 0.5, 0}, {0.8, 0.5, 0.75, 0}, {0.9, 0.75, 0.5, 0}, {1, 1, 0.5, 0}}
	if !slices.Equal(c.Points, want) {
		t.Errorf("%+v, want %+v", c.Points, want)
	}
}
