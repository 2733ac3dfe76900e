package distill

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// A recipe for rows of one's own can be loaded, and finds its data from where it stands.
func TestOwnRecipe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rows", "tickets.csv")
	write(t, file, "body,\"kind \"\"b\"\"\"\nLeaking tap,\"repair: \"\"soon\"\"\"\nWhen is the bin day?,question\nno label,\n")
	folder := filepath.Join(dir, "recipes", "tickets")
	text, err := OwnRecipe(OwnData{Folder: folder, Data: file, Columns: Columns{Text: "body", Label: `kind "b"`}, Teacher: "smollm2-135m-instruct"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "freehold.yaml")
	write(t, path, string(text))
	r, err := LoadRecipe(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := strings.Join(r.Task.Labels, "|"); got != `question|repair: "soon"` || r.Name != "tickets" || r.Train.Gold != 0.5 || r.path(r.Data.Train) != file {
		t.Errorf("labels %s, name %s, gold %g, data %s; want those of the rows, tickets, 0.5, %s", got, r.Name, r.Train.Gold, r.path(r.Data.Train), file)
	}
	t.Chdir(dir)
	write(t, "own.gguf", "")
	text, err = OwnRecipe(OwnData{Folder: "recipes/tickets", Data: "rows/tickets.csv", Columns: Columns{Text: "body", Label: `kind "b"`}, Teacher: "own.gguf"})
	if want := `model: "../../own.gguf"`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("a teacher by its path: %v, want %s in\n%s", err, want, text)
	}
	for name, c := range map[string]struct{ rows, want string }{
		"no labels":  {"text\na\nb\n", "has no labels in its 2 rows"},
		"one label":  {"text,label\na,x\nb,x\n", `has the label "x" alone`},
		"no text":    {"words,label\na,x\n", "--text-column"},
		"free texts": {"text,label\n" + strings.Repeat("a,xxxxxxxxxx\n", 1) + many(60), "more than 50 different labels"},
	} {
		write(t, file, c.rows)
		if _, err := OwnRecipe(OwnData{Folder: folder, Data: file, Teacher: "x"}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	write(t, file, "text,label\na,x\nb,y\n")
	if _, err := OwnRecipe(OwnData{Folder: folder, Data: file, Labels: []string{"x", "z"}, Teacher: "x"}); err == nil || !strings.Contains(err.Error(), `a label "y"`) {
		t.Errorf("a label that --labels lacks: %v", err)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("a,l" + strings.Repeat("i", i) + "\n")
	}
	return b.String()
}

// Gold labels take their share of what is learnt, and nothing becomes impossible.
func TestWithGold(t *testing.T) {
	lp := []float64{math.Log(0.7), math.Log(0.2), math.Log(0.1)}
	for _, c := range []struct {
		share float64
		want  [3]float64
	}{{0, [3]float64{0.7, 0.2, 0.1}}, {0.5, [3]float64{0.35, 0.6, 0.05}}, {1, [3]float64{1e-6, 1, 1e-6}}} {
		for k, v := range withGold(lp, 1, c.share) {
			if math.Abs(math.Exp(v)-c.want[k]) > 1e-5 {
				t.Errorf("share %g: label %d has %g, want %g", c.share, k, math.Exp(v), c.want[k])
			}
		}
	}
}

// A teacher of random weights teaches nothing; the rows' own labels do, to student and baseline.
func TestJobGold(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "train: {steps: 9,", "train: {steps: 60,")
	edit(t, recipe, "lr: 0.003", "lr: 0.01")
	accuracy := func() (student, baseline float64) {
		sum, _ := mustApply(t, recipe, Options{Threads: 2}, Stages{})
		return sum.Student.Accuracy, sum.Baseline.Accuracy
	}
	student, baseline := accuracy()
	edit(t, recipe, "train: {steps", "train: {gold: 1, steps")
	goldStudent, goldBaseline := accuracy()
	if goldStudent < 0.9 || goldBaseline < 0.9 || student > 0.8 || baseline > 0.8 {
		t.Errorf("accuracy %.2f, baseline %.2f by the teacher's labels, %.2f and %.2f by the rows' own; want these above 0.9, and those below 0.8", student, baseline, goldStudent, goldBaseline)
	}
}
