package distill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// weights are those that learn, without what the optimiser keeps.
func weights(s *Student) (w []float32) {
	for _, p := range s.Params {
		if !p.Frozen() {
			w = append(w, p.W...)
		}
	}
	return w
}

// Training leaves the weights after the step whose validation loss was least, in one piece or stopped and resumed.
func TestTrainKeepsBest(t *testing.T) {
	train := func(dir string, steps, stopAt int) (*Trainer, error) {
		t.Helper()
		tr := tinyTrainer(t, dir, gguf.OS{})
		r := rand.New(rand.NewPCG(91, 92))
		for i := range 6 {
			tr.Valid = append(tr.Valid, Example{ID: "v" + strconv.Itoa(i), Tokens: randomTokens(r, 9, tr.Student.Spec.Vocab), Target: normal(r, 2, 2)})
		}
		tr.SaveEvery, tr.MaxTokens = 1, 20 // several micro-batches of validation rows
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		tr.Report = func(p Progress) {
			if p.Step == stopAt {
				cancel()
			}
		}
		return tr, tr.Train(ctx)
	}
	dir := t.TempDir()
	whole, err := train(dir, 7, -1)
	if err != nil {
		t.Fatal(err)
	}
	ms, err := readMetrics(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	least := 0
	for i, m := range ms {
		if m.Valid == 0 {
			t.Fatalf("step %d: no validation loss", i)
		}
		if m.Valid < ms[least].Valid {
			least = i
		}
	}
	if least == 6 || whole.BestStep != least+1 || whole.Best != ms[least].Valid {
		t.Fatalf("kept step %d with %v of %+v; the last must not be the best here", whole.BestStep, whole.Best, ms)
	}
	stopped, err := train(t.TempDir(), 7, least+1)
	if !errors.Is(err, ErrInterrupted) || !slices.Equal(weights(stopped.Student), weights(whole.Student)) {
		t.Errorf("the weights that are left are not those after step %d (%v)", least+1, err)
	}
	g := NewGraph(whole.Student, whole.Level, 1, whole.Par)
	sum := 0.0
	for _, ex := range whole.Valid {
		var b Batch
		b.Add(ex.Tokens)
		g.Forward(&b)
		sum += g.ClassLoss(whole.Loss, func(int) Target { return Target{Teacher: ex.Target, Weight: 1} }, false) / 6
	}
	if math.Abs(sum/whole.Best-1) > 1e-5 {
		t.Errorf("the student's mean loss on the validation rows is %v, training says %v", sum, whole.Best)
	}
	for stop := 1; stop < 7; stop++ {
		dir := t.TempDir()
		if _, err := train(dir, 7, stop); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		again, err := train(dir, 7, -1)
		if err != nil || again.BestStep != whole.BestStep || !slices.Equal(weights(again.Student), weights(whole.Student)) {
			t.Errorf("stopped after step %d and resumed: other weights (%v, best after step %d)", stop, err, again.BestStep)
		}
		checkMetrics(t, filepath.Join(dir, "metrics.jsonl"), 7)
	}
}

// A job labels its validation rows, which may hold tokens that the student's trimmed vocabulary has not, and keeps the best
// weights: repeated, and by stages.
func TestJobKeepsBest(t *testing.T) {
	recipe := tinyJob(t)
	o := Options{Threads: 2}
	lines := ""
	for i := range 20 {
		lines += fmt.Sprintf("{\"id\": \"v%d\", \"text\": %q}\n", i, []string{"zigzag ?! higher", "down and out", "jump"}[i%3])
	}
	write(t, filepath.Join(filepath.Dir(recipe), "valid.jsonl"), lines)
	edit(t, recipe, "test: test.jsonl", "valid: valid.jsonl, test: test.jsonl")
	edit(t, recipe, "lr: 0.003", "lr: 1, keep: last")
	_, dir := mustApply(t, recipe, o, Stages{})
	last := weightsOf(t, dir)
	edit(t, recipe, "keep: last", "keep: best")
	mustApply(t, recipe, o, Stages{Only: "label"})
	_, dir = mustApply(t, recipe, o, Stages{Only: "train"})
	model := sha(t, filepath.Join(dir, "model.gguf"))
	ms, err := readMetrics(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []int // steps done
	for _, m := range ms {
		if m.Valid > 0 {
			seen = append(seen, m.Step+1)
		}
	}
	if !slices.Equal(seen, []int{2, 4, 6, 8, 9}) {
		t.Errorf("validation was looked at after steps %v", seen)
	}
	if mustApply(t, recipe, o, Stages{From: "eval"}); sha(t, filepath.Join(dir, "model.gguf")) != model {
		t.Error("the model changed")
	}
	if slices.Equal(weightsOf(t, dir), last) {
		t.Errorf("keep: best makes no difference: %+v", ms)
	}
	restored := sha(t, filepath.Join(dir, "model.f16.gguf"))
	o = Options{Threads: 1, RunsDir: t.TempDir()}
	if _, dir = mustApply(t, recipe, o, Stages{}); sha(t, filepath.Join(dir, "model.gguf")) != model || sha(t, filepath.Join(dir, "model.f16.gguf")) != restored {
		t.Error("a second run, in one piece, gives another model")
	}
	write(t, filepath.Join(filepath.Dir(recipe), "valid.jsonl"), "")
	if _, _, err := apply(context.Background(), recipe, o, Stages{}); err == nil {
		t.Error("best of no validation rows is accepted")
	}
}
