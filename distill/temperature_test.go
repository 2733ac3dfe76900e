package distill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// validRowsFile writes n validation rows beside a tiny recipe, every nth of them with a label, and has the recipe use them.
func validRowsFile(t *testing.T, recipe string, n, labelled int) {
	t.Helper()
	var b strings.Builder
	r := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		words := [][]string{strings.Fields("rise climb grow soar"), strings.Fields("fall sink drop dive")}[i%2]
		label := ""
		if i < labelled {
			label = fmt.Sprintf(`, "label": %q`, []string{"up", "down"}[i%2])
		}
		fmt.Fprintf(&b, "{\"id\": \"v%d\", \"text\": \"%s %s\"%s}\n", i, words[r.IntN(4)], words[r.IntN(4)], label)
	}
	write(t, filepath.Join(filepath.Dir(recipe), "valid.jsonl"), b.String())
	if !strings.Contains(mustRead(t, recipe), "valid.jsonl") {
		edit(t, recipe, "test: test.jsonl", "valid: valid.jsonl, test: test.jsonl")
	}
}

// A student with a temperature answers as it did, is as sure as the temperature makes it in all its files, and its report and summary say what that did
// on the test rows. Training is not repeated for it, and a run that is taken up by stages gives the same files.
func TestJobCalibrates(t *testing.T) {
	recipe := tinyJob(t)
	o := Options{Threads: 2}
	validRowsFile(t, recipe, 120, 120)
	edit(t, recipe, "train: {steps: 9, batch: 16, lr: 0.003", "train: {steps: 30, batch: 16, lr: 0.01")
	edit(t, recipe, "{from: teacher", "{calibration: none, from: teacher")
	plain, none := mustApply(t, recipe, o, Stages{})
	if plain.Calibration != nil || plain.Student.Raw != nil {
		t.Errorf("calibration: none gives %+v", plain.Calibration)
	}
	edit(t, recipe, "calibration: none, ", "")
	trained := 0
	o.Progress = func(e Event) {
		if e.Stage == "train" && e.Loss > 0 {
			trained++
		}
	}
	sum, dir := mustApply(t, recipe, o, Stages{})
	if trained > 0 || dir == none {
		t.Errorf("%d steps were trained again, run %s after %s", trained, dir, none)
	}
	c := sum.Calibration
	if c == nil || c.Rows != 120 || c.Labels != "gold" || c.Before != sum.Student.Raw.ECE || c.After != sum.Student.ECE || c.Before != plain.Student.ECE {
		t.Fatalf("%+v, before %v", c, plain.Student.ECE)
	}
	if c.Temperature == 1 || c.Gain.ECE != c.Before-c.After || c.BeforeCI95[0] > c.Before || c.BeforeCI95[1] < c.Before {
		t.Errorf("%+v", c)
	}
	if sum.Student.Accuracy != plain.Student.Accuracy || !slices.EqualFunc(sum.Student.Confusion, plain.Student.Confusion, slices.Equal) || sum.Agreement != plain.Agreement {
		t.Errorf("accuracy was %v, is %v", plain.Student.Accuracy, sum.Student.Accuracy)
	}
	checkPage(t, filepath.Join(dir, "report.html"), "Calibrated: temperature", `class="ring"`, "120 validation rows")
	checkSums(t, dir, calibrationName)

	texts := []string{"rise climb", "fall", "sink dive more"}
	for _, name := range []string{"model.gguf", "model.f16.gguf", "model.q8_0.gguf"} {
		before, after := openClassifier(t, filepath.Join(none, name)), openClassifier(t, filepath.Join(dir, name))
		if after.Calibration() == nil || after.Calibration().Temperature != c.Temperature || before.Calibration() != nil {
			t.Fatalf("%s: %+v", name, after.Calibration())
		}
		rows, err := before.LogProbs(context.Background(), texts)
		if err != nil {
			t.Fatal(err)
		}
		choices, err := after.Batch(context.Background(), texts)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			want := slices.Clone(row)
			for l := range want {
				want[l] /= c.Temperature
			}
			p := expAll(logSoftmax(want))
			if k := argmax(p); choices[i][0].Label != []string{"up", "down"}[k] || argmax(row) != k || choices[i][0].P-p[k] > 1e-12 || p[k]-choices[i][0].P > 1e-12 {
				t.Errorf("%s, %q: %+v, want %v", name, texts[i], choices[i], p)
			}
		}
	}
	model, half := sha(t, filepath.Join(dir, "model.gguf")), sha(t, filepath.Join(dir, "model.f16.gguf"))
	if mustApply(t, recipe, o, Stages{From: "eval"}); sha(t, filepath.Join(dir, "model.f16.gguf")) != half || sha(t, filepath.Join(dir, "model.gguf")) != model {
		t.Error("from the eval stage on the files are others")
	}
}

func openClassifier(t *testing.T, path string) *engine.Classifier {
	t.Helper()
	m, err := engine.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	c, err := m.NewClassifier(engine.Task{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Which rows a temperature is fitted on: gold ones where there are enough; all, with the teacher's answers, where the recipe asks for it; else none.
func TestCalibrationRows(t *testing.T) {
	for _, c := range []struct {
		rows, gold int
		says       string
		want       string // labels; "" = no temperature, "error"
	}{
		{150, 120, "", "gold"}, {150, 99, "", ""}, {150, 120, "none", ""}, {150, 120, "temperature", "gold"},
		{150, 30, "temperature", "gold of 30 rows, the teacher's of 120"}, {150, 0, "temperature", "the teacher's"}, {80, 80, "temperature", "error"}, {0, 0, "", ""},
	} {
		t.Run(fmt.Sprintf("%d of %d %s", c.gold, c.rows, c.says), func(t *testing.T) {
			recipe := tinyJob(t)
			validRowsFile(t, recipe, c.rows, c.gold)
			if c.rows == 0 {
				edit(t, recipe, "valid: valid.jsonl, ", "")
			}
			if c.says != "" {
				edit(t, recipe, "{from: teacher", "{calibration: "+c.says+", from: teacher")
			}
			r, err := LoadRecipe(recipe)
			if err != nil {
				t.Fatal(err)
			}
			j, err := NewJob(context.Background(), r, Options{Threads: 2})
			if c.want == "error" {
				if err == nil || !strings.Contains(err.Error(), "want 100") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rows, labels := calibrationRows(j.recipe, j.data)
			if labels != c.want || (rows != nil) != (c.want != "") || c.want == "gold" && len(rows) != c.gold || j.calibrates() != (c.want != "") {
				t.Errorf("%d rows, labels %q, want %q", len(rows), labels, c.want)
			}
			if asked := len(j.validRows()) > 0; asked != strings.Contains(c.want, "teacher") {
				t.Errorf("the teacher is asked about validation rows: %v", asked)
			}
			if strings.Contains(c.want, "teacher") {
				mustApply(t, recipe, Options{Threads: 2}, Stages{})
			}
		})
	}
	recipe := tinyJob(t)
	edit(t, recipe, "{from: teacher", "{calibration: platt, from: teacher")
	if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), "student.calibration") {
		t.Errorf("an unknown calibration: %v", err)
	}
}
