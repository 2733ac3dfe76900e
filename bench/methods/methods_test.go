package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
)

// Every run is a valid recipe of a name of its own, and the table has all that it compares.
func TestRecipes(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range methods {
		if _, err := distill.ParseRecipe(m.name+".yaml", fmt.Appendf(nil, recipe, m.name, m.student, m.train, m.more)); err != nil {
			t.Error(err)
		}
		if seen[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		seen[m.name] = true
	}
}

// The table says what the predictions say: accuracies, divergences, differences, and what training for a format won back.
func TestTable(t *testing.T) {
	dir := t.TempDir()
	// Of four rows the teacher is sure; a student gives the right label p, and is right where that is over a half.
	predict := func(run, file string, p float64, right int) {
		var b strings.Builder
		for i := range 4 {
			gold := 0
			if i >= right {
				gold = 1
			}
			fmt.Fprintf(&b, `{"gold": %d, "student": [%v, %v], "teacher": [1, 0]}`+"\n", gold, p, 1-p)
		}
		path := filepath.Join(dir, run, "eval", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range methods {
		predict(m.name, "predictions.jsonl", 0.9, 4)
	}
	predict("demo", "predictions.q4_0.jsonl", 0.6, 4)
	predict("demo-q4_0", "predictions.jsonl", 0.9, 4) // wins all back
	predict("narrow", "predictions.q2_k.jsonl", 0.6, 0)
	predict("narrow-q2_k", "predictions.jsonl", 0.6, 0) // wins nothing back
	var out strings.Builder
	if err := table(&out, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| demo | 100.00 (100.00 to 100.00) | 0.1054 (0.1054 to 0.1054) |  |  |",                                                             // -ln 0.9
		"| demo, packed as q4_0 | 100.00 (100.00 to 100.00) | 0.5108 (0.5108 to 0.5108) | 0.00 (0.00 to 0.00) | 0.4055 (0.4055 to 0.4055) |", // -ln 0.6
		"| narrow-q2_k | 0.00 (0.00 to 0.00) | 0.5108 (0.5108 to 0.5108) | 100.00 (100.00 to 100.00) | 0.4055",
		"- demo as q4_0: training for the format wins back 100 % (100 to 100)",
		"- narrow as q2_k: training for the format wins back 0 % (0 to 0)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	if err := os.Remove(filepath.Join(dir, "narrow", "eval", "predictions.q2_k.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := table(&out, dir); err == nil || !strings.Contains(err.Error(), "predictions.q2_k.jsonl") {
		t.Errorf("predictions are missing: %v", err)
	}
}
