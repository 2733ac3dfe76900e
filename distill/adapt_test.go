package distill

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// tinyAdaptedJob is tinyJob with a teacher that learns from gold rows first, and validation rows.
func tinyAdaptedJob(t testing.TB, train, test int) string {
	t.Helper()
	recipe := tinyJobOf(t, train, test)
	edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, adapt: {rows: 32, epochs: 6, rank: 4, lr: 0.02}")
	edit(t, recipe, "train: train.jsonl", "train: train.jsonl, valid: valid.jsonl")
	b, err := os.ReadFile(filepath.Join(filepath.Dir(recipe), "test.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(filepath.Dir(recipe), "valid.jsonl"), strings.ReplaceAll(string(b), `"test-`, `"valid-`))
	return recipe
}

// A teacher of random weights learns the task from gold rows, and labels with what it has learnt: it is better than it was and
// than the most frequent label, and better than a teacher that is asked as it is.
func TestAdapt(t *testing.T) {
	recipe := tinyAdaptedJob(t, 80, 40)
	var said []string
	o := Options{Threads: 2, Progress: func(e Event) {
		if e.Stage == "adapt" {
			said = append(said, e.Msg)
		}
	}}
	if p := planOf(t, recipe); p.Stages[0].Name != "adapt" || p.Stages[0].State != "to do" || !(p.Stages[0].Seconds > 0) || !strings.Contains(p.Stages[0].What, "32 gold rows") {
		t.Errorf("plan: %+v", p.Stages[0])
	}
	if _, _, err := apply(context.Background(), recipe, o, Stages{Only: "label"}); err == nil || !strings.Contains(err.Error(), "run the adapt stage first") {
		t.Errorf("labelling without the adapter: %v", err)
	}
	sum, dir := mustApply(t, recipe, o, Stages{})
	a := sum.Adapted
	if a == nil || a.Rows != 32 || a.After.Rows != 40 || a.Tests[0].Verdict != "better" || a.After.Accuracy <= a.Before.Accuracy {
		t.Fatalf("adapted: %+v", a)
	}
	if sum.Teacher.Accuracy != a.After.Accuracy { // the same texts are the validation and test rows
		t.Errorf("the teacher that labelled is right on %v of the texts, the adapted one on %v", sum.Teacher.Accuracy, a.After.Accuracy)
	}
	if !strings.Contains(strings.Join(said, "\n"), "adapted on 32 gold rows") {
		t.Errorf("said: %q", said)
	}
	checkSums(t, dir, adapterName, adaptedName, "teacher/metrics.jsonl")
	checkPage(t, filepath.Join(dir, "report.html"), "adapted on 32 gold rows")
	v, err := Verify(dir)
	if err != nil || len(v.Bad()) > 0 {
		t.Errorf("verify: %+v %v", v, err)
	}
	if chain := mustRead(t, filepath.Join(dir, "lineage.jsonl")); !strings.Contains(chain, `"adapt"`) || !strings.Contains(chain, adapterName) {
		t.Error("the lineage knows of no adapter")
	}
	if p := planOf(t, recipe); p.Stages[0].State != "done" || p.Stages[0].Seconds != 0 {
		t.Errorf("plan of a finished run: %+v", p.Stages[0])
	}
	// The student's file names the adapter, and another run takes it over.
	if got, _ := adapterOf(t, filepath.Join(dir, "model.gguf")); got != a.SHA256 {
		t.Errorf("the student names adapter %s, want %s", got, a.SHA256)
	}
	edit(t, recipe, "lr: 0.003", "lr: 0.004")
	_, again := mustApply(t, recipe, o, Stages{Only: "adapt"})
	if again == dir || sha(t, filepath.Join(again, adapterName)) != a.SHA256 || fileExists(filepath.Join(again, "teacher", "checkpoints")) {
		t.Error("another run has not taken the adapter over")
	}
	// A damaged adapter is trained again.
	if err := os.RemoveAll(filepath.Join(dir)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(again, adapterName), "damaged")
	mustApply(t, recipe, o, Stages{Only: "adapt"})
	if sha(t, filepath.Join(again, adapterName)) != a.SHA256 {
		t.Error("trained again, the adapter is another")
	}
}

func adapterOf(t *testing.T, path string) (string, error) {
	t.Helper()
	m, err := engine.Open(path, engine.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewClassifier(engine.Task{})
	if err != nil {
		t.Fatal(err)
	}
	return c.TeacherAdapter()
}

// The adapter's file, beside the weights as the engine has it, gives the logits of the merged student.
func TestAdapterFile(t *testing.T) {
	f, err := gguf.Open(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := openStudent(t, tinyTeacher(t))
	if err := s.Adapt([]string{"blk.*"}, 3, 6, 1); err != nil {
		t.Fatal(err)
	}
	for _, a := range s.adapters {
		for i := range a.B.W {
			a.B.W[i] = float32(i%7-3) / 10
		}
	}
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	if err := s.writeLoRA(gguf.OS{}, path, nil); err != nil {
		t.Fatal(err)
	}
	tokens := []int32{1, 5, 9, 30, 7}
	logits := func(o ...engine.Option) []float32 {
		m, err := engine.Open(tinyTeacher(t), append(o, engine.WithThreads(1), engine.WithNumeric(engine.Reference))...)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		ss := m.NewSession()
		defer ss.Close()
		last, err := ss.Eval(context.Background(), tokens)
		if err != nil {
			t.Fatal(err)
		}
		return append([]float32(nil), last...)
	}
	level, err := kernels.Best()
	if err != nil {
		t.Fatal(err)
	}
	s.Merge(level)
	all := logitsOf(s, level, tokens)
	want := all[len(all)-s.Spec.Vocab:]
	if d := maxAbsDiff(logits(engine.WithLoRA(path, 1)), want); d > 1e-3 {
		t.Errorf("with the adapter the logits are off by %g", d)
	}
	if d := maxAbsDiff(logits(), want); d < 1e-2 {
		t.Errorf("the adapter changes the logits by %g only; the test shows nothing", d)
	}
}

// A teacher that has learnt nothing labels nothing: the run stops at a gate, and says so again when it is asked again.
func TestAdaptGate(t *testing.T) {
	recipe := tinyAdaptedJob(t, 80, 20)
	edit(t, recipe, "epochs: 6, rank: 4, lr: 0.02", "epochs: 0.1, rank: 1, lr: 0.0000001")
	for range 2 {
		_, dir, err := apply(context.Background(), recipe, Options{Threads: 2}, Stages{})
		var gate *GateError
		if !errors.As(err, &gate) || gate.Failed[0].Metric != "teacher_over_majority" || !strings.Contains(err.Error(), "most frequent label") {
			t.Fatalf("%v", err)
		}
		if fileExists(filepath.Join(dir, "labels")) || fileExists(filepath.Join(dir, "model.gguf")) {
			t.Error("rows were labelled all the same")
		}
	}
}

// What cannot be learnt or judged is refused before anything runs.
func TestAdaptRefused(t *testing.T) {
	for _, c := range [][3]string{
		{"rows: 32", "rows: 81", "80 training rows have gold labels"},
		{"rows: 32", "rows: -1", "teacher.adapt.rows is -1"},
		{"rank: 4", "rank: -4", "teacher.adapt.rank is -4"},
		{", valid: valid.jsonl", "", "no validation rows"},
	} {
		recipe := tinyAdaptedJob(t, 80, 20)
		edit(t, recipe, c[0], c[1])
		if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want %s", c[1], err, c[2])
		}
	}
	recipe := tinyJobOf(t, 40, 10)
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{Only: "adapt"}); err == nil || !strings.Contains(err.Error(), "has none") {
		t.Errorf("stage adapt without teacher.adapt: %v", err)
	}
}
