package distill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// bf16Levels are this machine's levels with a bf16 unit; without one the test says so.
func bf16Levels(t *testing.T) (levels []*kernels.Level) {
	t.Helper()
	for _, l := range kernels.Levels() {
		if l.GemmBF16 != nil {
			levels = append(levels, l)
		}
	}
	if len(levels) == 0 {
		t.Skip("no CPU level of this machine has a bf16 unit: bf16 training is NOT tested here")
	}
	return levels
}

// TestBF16Products holds the three products to the f32 ones of inputs that bf16 holds exactly, at shapes with every
// kind of edge and with more than one block.
func TestBF16Products(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	exact := func(n int) []float32 { // small integers: every product and sum is exact
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.IntN(9) - 4)
		}
		return x
	}
	for _, l := range bf16Levels(t) {
		for _, s := range [][3]int{{1, 1, 1}, {7, 2, 33}, {33, 70, 31}, {300, 40, 64}, {40, 300, 2100}, {65, 2500, 40}, {600, 33, 129}} {
			n, out, in := s[0], s[1], s[2]
			x, w, dy, bias := exact(n*in), exact(out*in), exact(n*out), exact(out)
			var want [3][]float32
			for _, bf16 := range []bool{false, true} {
				for _, workers := range []int{1, 3} {
					g := &Graph{level: l, bf16: bf16, par: goParallel(workers)}
					for range workers {
						g.scratch = append(g.scratch, &scratch{})
					}
					got := [3][]float32{make([]float32, n*out), slices.Clone(x), slices.Clone(w)}
					g.matmul(got[0], out, x, in, w, bias, n)
					g.matmulBackX(got[1], in, dy, out, w, n, true)
					g.matmulBackW(got[2], in, dy, out, x, n)
					for i, name := range []string{"matmul", "matmulBackX", "matmulBackW"} {
						if want[i] == nil {
							want[i] = got[i]
						}
						sameBits(t, fmt.Sprintf("%s %v, %s, bf16 %v, %d workers", name, s, l.Name, bf16, workers), got[i], want[i])
					}
				}
			}
		}
	}
}

// TestFixturesBF16Training: gradients in bf16 point where those in f32 point, and are the same for any number of workers. All
// experts are used: where some are chosen, bf16 chooses others in a near-tie, and the gradient is that of another function.
func TestFixturesBF16Training(t *testing.T) {
	levels := bf16Levels(t)
	for _, path := range modelFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			run := func(l *kernels.Level, bf16 bool, workers int) (loss float64, params []*Param) {
				s := openStudentAs(t, path, func(spec *models.Spec) { spec.TopExperts = spec.Experts })
				g := NewGraph(s, l, workers, goParallel(workers))
				g.bf16 = bf16
				loss = newTask(t, s, 13, 17, 3, 40).run(g, true)
				return loss, s.Params
			}
			for _, l := range levels {
				wantLoss, want := run(l, false, 2)
				loss, got := run(l, true, 2)
				again, same := run(l, true, 5)
				if d := loss/wantLoss - 1; d > 0.01 || d < -0.01 || loss == wantLoss {
					t.Errorf("%s: loss %v in bf16, %v in f32; want near and not equal", l.Name, loss, wantLoss)
				}
				if loss != again {
					t.Errorf("%s: loss %v with 2 workers, %v with 5", l.Name, loss, again)
				}
				for i, p := range got {
					sameBits(t, l.Name+": gradient of "+p.Name+" with 5 workers", same[i].G, p.G)
					limit := 0.1
					if strings.Contains(p.Name, ".ssm_") { // a rounding goes on through all later states, and a head's few values sum it over all tokens
						limit = 0.2
					}
					if d := relativeL2(p.G, want[i].G); d > limit {
						t.Errorf("%s: gradient of %s is %.3g from the f32 one, want %v at most", l.Name, p.Name, d, limit)
					}
				}
			}
		})
	}
}

// A job in bf16, with adapters and an average, that is interrupted and run again gives the model of one that was not.
func TestJobBF16(t *testing.T) {
	bf16Levels(t)
	recipe := tinyJob(t)
	edit(t, recipe, "lr: 0.003", "lr: 0.003, precision: bf16, optimizer: lion, ema: 0.5")
	edit(t, recipe, "freeze: [token_embd.weight]", "freeze: [token_embd.weight], lora: {rank: 4}")
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	model := sha(t, filepath.Join(dir, "model.gguf"))
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil || !strings.Contains(string(manifest), `"train_precision": "bf16 (`+best(t).BF16Unit) {
		t.Errorf("the manifest does not name the bf16 unit (%v)", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := Options{Threads: 1, RunsDir: t.TempDir(), Progress: func(e Event) {
		if e.Stage == "train" && e.Step == 5 {
			cancel()
		}
	}}
	if _, _, err := apply(ctx, recipe, o, Stages{}); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("interrupted: %v", err)
	}
	o.Progress = nil
	if _, dir := mustApply(t, recipe, o, Stages{}); sha(t, filepath.Join(dir, "model.gguf")) != model {
		t.Error("a resumed run gives another model")
	}
}
