package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// Merged adapters give what adapters beside their weights give, and until they have learned they change nothing.
func TestFixturesLoRA(t *testing.T) {
	level := best(t)
	for _, path := range modelFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := openStudent(t, path)
			r := rand.New(rand.NewPCG(61, 62))
			tokens := randomTokens(r, 20, s.Spec.Vocab)
			before := logitsOf(s, level, tokens)
			tensors := len(s.Params)
			if err := s.Adapt([]string{"blk.*"}, 3, 6, 1); err != nil {
				t.Fatal(err)
			}
			sameBits(t, "logits with fresh adapters", logitsOf(s, level, tokens), before)
			if len(s.adapters) == 0 {
				t.Fatal("nothing was adapted")
			}
			frozen := 0
			for _, p := range s.Params {
				if p.Frozen() {
					frozen++
				} else if copy(p.W, normal(r, len(p.W), 0.05)); !strings.Contains(p.Name, ".lora_") {
					t.Errorf("%s learns", p.Name)
				}
			}
			if frozen != tensors {
				t.Errorf("%d of %d tensors are frozen", frozen, tensors)
			}
			beside := logitsOf(s, level, tokens)
			s.Merge(level)
			merged := logitsOf(s, level, tokens)
			if len(s.Params) != tensors {
				t.Errorf("%d tensors after merging, %d before", len(s.Params), tensors)
			}
			if d := maxAbsDiff(merged, beside); !(d <= 2e-3) {
				t.Errorf("merged logits are off by %g", d)
			}
			if d := maxAbsDiff(before, beside); d < 1e-2 {
				t.Errorf("adapters move the logits by %g only", d)
			}
		})
	}
}

func TestLoRARefuses(t *testing.T) {
	s := openStudent(t, modelFiles(t)[0])
	for _, c := range []struct {
		patterns []string
		rank     int
		alpha    float64
	}{{[]string{"blk.99.*"}, 4, 8}, {[]string{"token_embd.weight"}, 4, 8}, {[]string{"blk.*"}, 0, 8}, {[]string{"blk.*"}, 4, 0}, {[]string{"blk.*"}, 4, math.NaN()}} {
		if err := s.Adapt(c.patterns, c.rank, c.alpha, 1); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// A job with adapters writes an ordinary model, resumes, and repeats its result.
func TestJobLoRA(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "freeze: [token_embd.weight]", "freeze: [token_embd.weight], lora: {rank: 4}")
	o := Options{Threads: 2}
	sum, dir := mustApply(t, recipe, o, Stages{})
	model := sha(t, filepath.Join(dir, "model.gguf"))
	o.RunsDir = t.TempDir()
	again, dir := mustApply(t, recipe, o, Stages{})
	if sha(t, filepath.Join(dir, "model.gguf")) != model || again.Student.Accuracy != sum.Student.Accuracy {
		t.Error("a second run gives another model")
	}
	mustApply(t, recipe, o, Stages{From: "eval"})
	if sha(t, filepath.Join(dir, "model.gguf")) != model {
		t.Error("the model changed")
	}
	s := openStudent(t, filepath.Join(dir, "model.gguf"))
	if slices.ContainsFunc(s.Params, func(p *Param) bool { return strings.Contains(p.Name, "lora") }) {
		t.Error("adapters are left in the file")
	}
}

// An adapter's product beside that of its weight has the bits of the three products in turn, whatever the blocks.
func TestProductBeside(t *testing.T) {
	r := rand.New(rand.NewPCG(65, 66))
	for _, level := range kernels.Levels() {
		if level.Name == "portable" {
			continue // exact fma costs too much at these shapes; any level gives its bits in f32
		}
		for _, bf16 := range []bool{false, level.GemmBF16 != nil} {
			for _, s := range [][4]int{{5, 70, 33, 3}, {300, 33, 129, 16}, {65, 2000, 2300, 40}, {33, 2100, 40, 8}} { // blocks of columns; steps in parts
				m, k, n, rank := s[0], s[1], s[2], s[3]
				a, b, down, up, c := normal(r, m*k, 1), normal(r, n*k, 1), normal(r, rank*k, 1), normal(r, rank*n, 1), normal(r, m*n, 1)
				var want [2][]float32
				for _, workers := range []int{1, 3} {
					g := &Graph{level: level, bf16: bf16, par: goParallel(workers)}
					for range workers {
						g.scratch = append(g.scratch, &scratch{})
					}
					side := &lowRank{down: operand{down, 1, k}, up: operand{up, n, 1}, rank: rank, scale: 0.7, low: make([]float32, m*rank)}
					if want[0] == nil {
						want[0], want[1] = slices.Clone(c), make([]float32, m*rank)
						g.product(want[0], operand{a, k, 1}, operand{b, 1, k}, m, n, k, true, nil)
						g.product(want[1], operand{a, k, 1}, side.down, m, rank, k, false, nil)
						level.Scale(want[1], side.scale)
						g.product(want[0], operand{want[1], rank, 1}, side.up, m, n, rank, true, nil)
					}
					got := slices.Clone(c)
					g.productBeside(got, operand{a, k, 1}, operand{b, 1, k}, side, m, n, k, true)
					what := fmt.Sprintf("%v, %s, bf16 %v, %d workers", s, level.Name, bf16, workers)
					sameBits(t, what, got, want[0])
					sameBits(t, what+": low", side.low, want[1])
				}
			}
		}
	}
}
