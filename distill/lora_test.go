package distill

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
