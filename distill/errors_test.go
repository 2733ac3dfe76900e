package distill

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
)

// The error loop: what is listed is what disagrees, corrections are taken in by the next run, and computed again is what
// depends on them alone.
func TestErrors(t *testing.T) {
	for _, kind := range []string{"classify", "generate"} {
		t.Run(kind, func(t *testing.T) {
			recipe, label := "", "down"
			if kind == "classify" {
				recipe = tinyJobOf(t, 40, 12)
			} else {
				recipe, label = tinyAnswerJob(t, kind, 40, 10), "down 3"
			}
			_, first := mustApply(t, recipe, Options{Threads: 2}, Stages{})
			list := func(kind, corrections string) *ErrorList {
				t.Helper()
				r, err := LoadRecipe(recipe)
				if err != nil {
					t.Fatal(err)
				}
				l, err := Errors(t.Context(), filepath.Join(filepath.Dir(first), "latest"), r, kind, corrections)
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			all := list("", "")
			if len(all.Rows) == 0 || !slices.IsSortedFunc(all.Rows, func(a, b Disagreement) int { return int(1e9 * (b.Confidence - a.Confidence)) }) {
				t.Fatalf("%d rows, or not the surest first", len(all.Rows))
			}
			asked := 0
			for _, d := range all.all {
				if d.Split != "test" {
					continue
				}
				asked++
				want := map[string]bool{StudentGold: !sameAnswer(d.Student, d.Gold), StudentTeacher: !sameAnswer(d.Student, d.Teacher), TeacherGold: !sameAnswer(d.Teacher, d.Gold)}
				for k, is := range want {
					if is != slices.Contains(d.Kinds, k) {
						t.Errorf("%s of %+v: %v", k, d, is)
					}
				}
			}
			if want := map[string]int{"classify": 12, "generate": 10}[kind]; asked != want {
				t.Errorf("%d test rows, want %d", asked, want)
			}
			for _, k := range ErrorKinds() {
				for _, d := range list(k, "").Rows {
					if !slices.Contains(d.Kinds, k) || d.Text == "" || d.Confidence <= 0 || d.Confidence > 1 {
						t.Errorf("of kind %s: %+v", k, d)
					}
				}
			}

			// a test row: nothing is labelled or trained again
			r, err := LoadRecipe(recipe)
			if err != nil {
				t.Fatal(err)
			}
			file := r.CorrectionsFile()
			at := slices.IndexFunc(all.Rows, func(d Disagreement) bool { return d.Split == "test" && d.ID != "test-0" })
			wrong := all.Rows[at]
			if n, err := all.Record(file, r, "ana", []Judgement{{ID: wrong.ID, Label: label}, {ID: "test-0"}}); err != nil || n != 2 {
				t.Fatalf("%d corrections, error %v", n, err)
			}
			if l := list("", file); slices.ContainsFunc(l.Rows, func(d Disagreement) bool { return d.ID == wrong.ID || d.ID == "test-0" }) || l.Judged == 0 {
				t.Errorf("judged rows are listed, %d left out", l.Judged)
			}
			edit(t, recipe, "duplicates: keep}", "duplicates: keep, corrections: corrections.jsonl}")
			trained, labelled := false, false
			o := Options{Threads: 1, Progress: func(e Event) {
				trained, labelled = trained || e.Loss != 0, labelled || e.Stage == "label" && e.Rate > 0
			}}
			_, second := mustApply(t, recipe, o, Stages{})
			if trained || labelled || second == first || sha(t, filepath.Join(first, "checkpoints", "step-00000009.gguf")) != sha(t, filepath.Join(second, "checkpoints", "step-00000009.gguf")) {
				t.Errorf("a corrected test row: trained %v, labelled %v, in %s", trained, labelled, second)
			}
			checkMetrics(t, filepath.Join(second, "metrics.jsonl"), 9)
			if got := list("", "").all[wrong.ID]; got.Gold != label || got.Student != wrong.Student {
				t.Errorf("after the correction: %+v", got)
			}

			// a training row: its answer is learnt; a classifier's teacher is not asked again, of answers one shard
			row := data.Correction{ID: "train-1", Hash: textHash(t, recipe, "train-1"), Label: map[string]string{"classify": "up", "generate": "up 2"}[kind]}
			b, err := data.EncodeCorrections([]data.Correction{row})
			if err != nil {
				t.Fatal(err)
			}
			write(t, file, string(b))
			trained, labelled = false, false
			_, third := mustApply(t, recipe, o, Stages{})
			if !trained || labelled != (kind == "generate") || sha(t, filepath.Join(first, "checkpoints", "step-00000009.gguf")) == sha(t, filepath.Join(third, "checkpoints", "step-00000009.gguf")) {
				t.Errorf("a corrected training row: trained %v, labelled %v, in %s", trained, labelled, third)
			}
			for s, same := range map[int]bool{0: kind == "classify", 1: true} {
				a, err := os.ReadFile(shardPath(filepath.Join(first, "labels"), s))
				if os.IsNotExist(err) && kind == "classify" {
					continue
				}
				if b, _ := os.ReadFile(shardPath(filepath.Join(third, "labels"), s)); err != nil || (string(a) == string(b)) != same {
					t.Errorf("shard %d of labels: same %v, want %v (%v)", s, !same, same, err)
				}
			}

			for what, text := range map[string]string{
				"has another text now": strings.Replace(string(b), row.Hash, "0000000000000000", 1),
				"is not in the data":   strings.Replace(string(b), "train-1", "train-99", 1),
			} {
				write(t, file, text)
				if _, _, err := apply(context.Background(), recipe, Options{}, Stages{}); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "corrections.jsonl:1") {
					t.Errorf("error %v, want one that says %q with the line", err, what)
				}
			}
		})
	}
}

func textHash(t *testing.T, recipe, id string) string {
	t.Helper()
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	set, err := loadData(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(set.Train, func(r Row) bool { return r.ID == id })
	return data.HashText(set.Train[at].Text)
}
