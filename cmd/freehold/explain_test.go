package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An explanation holds every word of the text in its order, beside the answer that classify gives without it, and of a run's model the training rows
// that hold the text's words, with file and line.
func TestExplain(t *testing.T) {
	teacher := tiny(t)
	job := recipe(t, teacher)
	freehold(t, "label", job).must(t)
	freehold(t, "train", job).must(t)
	dir := filepath.Join(filepath.Dir(job), "runs", "latest")
	model := filepath.Join(dir, "model.gguf")
	b, err := os.ReadFile(filepath.Join(filepath.Dir(job), "train.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var row struct{ Text string }
	line, _, _ := strings.Cut(string(b), "\n")
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		t.Fatal(err)
	}
	texts := []string{row.Text, "an other, text!"}
	var plain, doc classification
	for _, c := range []struct {
		to   *classification
		args []string
	}{{&plain, nil}, {&doc, []string{"--explain"}}} {
		r := freehold(t, append(append([]string{"classify", "--json", model}, texts...), c.args...)...).must(t)
		if err := json.Unmarshal([]byte(r.out), c.to); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range doc.Rows {
		e := r.Explanation
		if e == nil || plain.Rows[i].Explanation != nil || r.Label != plain.Rows[i].Label || r.P != plain.Rows[i].P {
			t.Fatalf("%+v, without --explain %+v", r, plain.Rows[i])
		}
		rest := texts[i]
		for _, w := range e.Words {
			if texts[i][w.Start:w.End] != w.Text {
				t.Errorf("%+v", w)
			}
			_, rest, _ = strings.Cut(rest, w.Text)
		}
		if rest != "" || e.Passes != len(e.Words)+1 || e.Tokens == 0 {
			t.Errorf("%q: %q is left, %d passes", texts[i], rest, e.Passes)
		}
	}
	near := doc.Rows[0].Explanation.Nearest
	if len(near) != 3 || near[0].Text != row.Text || near[0].Similarity < 0.999 || near[0].File != "train.jsonl" || near[0].Line != 1 || near[0].Teacher == "" {
		t.Errorf("%+v", near)
	}
	people := freehold(t, "classify", model, "--explain", row.Text).must(t)
	for _, want := range []string{"log-odds", "forward passes", "train.jsonl:1", "teacher ", "the model was not asked"} {
		if !strings.Contains(people.out, want) {
			t.Errorf("%q is not in %s", want, people.out)
		}
	}
	if r := freehold(t, "classify", model, "--explain", "--nearest=0", row.Text).must(t); strings.Contains(r.out, "train.jsonl") {
		t.Errorf("--nearest=0 names rows: %s", r.out)
	}
	// away from its run a model is explained without rows, or with those of the run that is named
	other := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.Link(model, other); err != nil {
		t.Fatal(err)
	}
	if r := freehold(t, "classify", other, "--explain", row.Text).must(t); strings.Contains(r.out, "train.jsonl") {
		t.Errorf("%s", r.out)
	}
	if r := freehold(t, "classify", other, "--explain", "--run", dir, row.Text).must(t); !strings.Contains(r.out, "train.jsonl:1") {
		t.Errorf("%s", r.out)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{model, "--run", dir, "x"}, exitUsage, "--explain"},
		{[]string{model, "--explain", "--escalate", teacher, "x"}, exitUsage, "keep one"},
		{[]string{teacher, "-l", "a,b", "--explain", "--run", dir, "x"}, exitUsage, "does not say which run"},
		{[]string{model, "--explain", "--run", t.TempDir(), "x"}, exitInput, "lock.json"},
		{[]string{model, "--explain", "--nearest=-1", "x"}, exitUsage, "--nearest"},
		{[]string{teacher, "-l", "a,b", "--explain", strings.Repeat("word ", 5000)}, exitUsage, "shorten it"},
	} {
		if r := freehold(t, append([]string{"classify"}, c.args...)...); r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%.80q: exit code %d, %s; want %d and %q", c.args, r.code, r.err, c.code, c.want)
		}
	}
}
