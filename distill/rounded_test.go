package distill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/quant"
)

// During a step the weights are, to the bit, what a file of the mix holds of them, for every mix that can be written, on
// a width of whole super-blocks and on one that falls back; after it they are the master weights again.
func TestFixturesRounded(t *testing.T) {
	for _, name := range []string{"llama256.F32.gguf", "qwen2.F32.gguf", "qwen2moe.F32.gguf"} {
		b := withHead(t, fixture(t, name), models.PoolMean)
		masters := map[string][]float32{}
		for _, p := range b.Student.Params {
			masters[p.Name] = slices.Clone(p.W)
		}
		for _, mix := range quant.Mixes() {
			t.Run(name+"/"+mix.Name, func(t *testing.T) {
				file := openStudent(t, exportTo(t, b, mix.Name))
				r, err := newRounded(b.Student, mix, 2)
				if err != nil {
					t.Fatal(err)
				}
				for step := range 2 { // frozen tensors are rounded in the first alone
					r.enter(goParallel(2))
					for _, p := range b.Student.Params {
						sameBits(t, fmt.Sprintf("step %d: %s", step, p.Name), p.W, file.Param(p.Name).W)
					}
					r.leave()
					for _, p := range b.Student.Params {
						sameBits(t, "after it "+p.Name, p.W, masters[p.Name])
					}
				}
			})
		}
	}
}

// The gradient that reaches the master weights is that of the loss at the rounded ones (straight-through), and frozen
// tensors take part rounded.
func TestFixturesRoundedGradient(t *testing.T) {
	level := best(t)
	s := openStudent(t, fixture(t, "llama256.F32.gguf"))
	if err := s.Freeze("blk.0.ffn_*"); err != nil {
		t.Fatal(err)
	}
	mix, err := quant.MixByName("q2_k")
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRounded(s, mix, 1)
	if err != nil {
		t.Fatal(err)
	}
	par := goParallel(1)
	task := newTask(t, s, 5, 9)
	r.enter(par)
	got := task.run(NewGraph(s, level, 1, par), true)
	grads := map[string][]float32{}
	for _, p := range s.Params {
		grads[p.Name] = slices.Clone(p.G)
	}
	at := map[string][]float32{}
	for _, p := range s.Params {
		at[p.Name] = slices.Clone(p.W)
	}
	r.leave()
	plain := task.run(NewGraph(s, level, 1, par), true)
	if got == plain {
		t.Error("rounding to Q2_K changes nothing")
	}
	for _, p := range s.Params {
		copy(p.W, at[p.Name])
	}
	if want := task.run(NewGraph(s, level, 1, par), true); got != want {
		t.Errorf("loss %v, with these weights %v", got, want)
	}
	for _, p := range s.Params {
		sameBits(t, "gradient of "+p.Name, grads[p.Name], p.G)
	}
}

// A job that trains for a format gives another model than one that does not, and the same when it was interrupted: its
// master weights go on from the checkpoint.
func TestJobQuantize(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "format: f32", "format: q4_0")
	o := Options{Threads: 2}
	_, plain := mustApply(t, recipe, o, Stages{})
	edit(t, recipe, "seed: 3", "seed: 3, quantize: q4_0")
	_, dir := mustApply(t, recipe, o, Stages{})
	model := filepath.Join(dir, "model.gguf")
	if sha(t, model) == sha(t, filepath.Join(plain, "model.gguf")) {
		t.Error("training with rounding gives the same model")
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.RunsDir = t.TempDir()
	o.Progress = func(e Event) {
		if e.Stage == "train" && e.Step == 5 {
			cancel()
		}
	}
	if _, _, err := apply(ctx, recipe, o, Stages{}); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("interrupted: %v", err)
	}
	o.Progress = nil
	_, again := mustApply(t, recipe, o, Stages{})
	if sha(t, filepath.Join(again, "model.gguf")) != sha(t, model) {
		t.Error("an interrupted run gives another model")
	}
}

// With quantize_after the first steps are those of a run that does not round, the others are not, and a run that was
// interrupted on either side gives the same model.
func TestJobQuantizeAfter(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "format: f32", "format: q4_0")
	o := Options{Threads: 2}
	_, plain := mustApply(t, recipe, o, Stages{})
	edit(t, recipe, "seed: 3", "seed: 3, quantize: q4_0, quantize_after: 0.4")
	_, dir := mustApply(t, recipe, o, Stages{})
	want, got := metricLines(t, plain), metricLines(t, dir)
	first := int(math.Ceil(0.4 * float64(len(want))))
	for i := range want {
		if same := want[i] == got[i]; same != (i < first) {
			t.Errorf("step %d of %d, rounding from %d: %s, without rounding %s", i, len(want), first, got[i], want[i])
		}
	}
	for _, at := range []int{first - 1, first, first + 1} {
		ctx, cancel := context.WithCancel(t.Context())
		o.RunsDir = t.TempDir()
		o.Progress = func(e Event) {
			if e.Stage == "train" && e.Step == at {
				cancel()
			}
		}
		if _, _, err := apply(ctx, recipe, o, Stages{}); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("interrupted: %v", err)
		}
		o.Progress = nil
		_, again := mustApply(t, recipe, o, Stages{})
		if sha(t, filepath.Join(again, "model.gguf")) != sha(t, filepath.Join(dir, "model.gguf")) {
			t.Errorf("interrupted after %d steps the model is another", at)
		}
	}
}

// metricLines are the lines of a run's metrics, one a step.
func metricLines(t *testing.T, dir string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
