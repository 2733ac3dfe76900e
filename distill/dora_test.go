package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
)

// doraStudent is a student with sizes of rows apart, which has learned something.
func doraStudent(t *testing.T, s *Student, r *rand.Rand) {
	t.Helper()
	if err := s.Adapt([]string{"blk.*"}, 3, 6, 1); err != nil {
		t.Fatal(err)
	}
	s.Decompose(best(t))
	for _, p := range s.Params {
		switch {
		case strings.HasSuffix(p.Name, ".lora_m"):
			for i := range p.W {
				p.W[i] *= float32(1 + 0.2*r.NormFloat64())
			}
		case strings.Contains(p.Name, ".lora_"):
			copy(p.W, normal(r, len(p.W), 0.05))
		}
	}
}

// Merged, adapters with sizes give what they give beside their weights, for every architecture; until they have learned
// they change nothing.
func TestFixturesDoRA(t *testing.T) {
	level := best(t)
	for _, path := range modelFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := openStudent(t, path)
			r := rand.New(rand.NewPCG(63, 64))
			tokens := randomTokens(r, 20, s.Spec.Vocab)
			before, tensors := logitsOf(s, level, tokens), len(s.Params)
			fresh := openStudent(t, path)
			if err := fresh.Adapt([]string{"blk.*"}, 3, 6, 1); err != nil {
				t.Fatal(err)
			}
			fresh.Decompose(level)
			sameBits(t, "logits with fresh adapters", logitsOf(fresh, level, tokens), before)
			doraStudent(t, s, r)
			beside := logitsOf(s, level, tokens)
			for name, a := range s.adapters { // the norms of the merged rows are the sizes
				w := s.byName[name]
				v := make([]float32, len(w.W))
				a.merged(level, v, w.W, w.Shape[0], 0, w.Shape[1])
				a.giveSizes(level, v)
				for o, m := range a.M.W {
					sum := 0.0
					for _, x := range v[o*w.Shape[0] : (o+1)*w.Shape[0]] {
						sum += float64(x) * float64(x)
					}
					if math.Abs(math.Sqrt(sum)-math.Abs(float64(m))) > 1e-5*math.Abs(float64(m)) {
						t.Fatalf("%s: row %d has norm %g, size %g", name, o, math.Sqrt(sum), m)
					}
				}
			}
			s.Merge(level)
			if len(s.Params) != tensors {
				t.Errorf("%d tensors after merging, %d before", len(s.Params), tensors)
			}
			if d := maxAbsDiff(logitsOf(s, level, tokens), beside); !(d <= 5e-3) {
				t.Errorf("merged logits are off by %g", d)
			}
			if d := maxAbsDiff(before, beside); d < 1e-2 {
				t.Errorf("adapters move the logits by %g only", d)
			}
		})
	}
}

// The gradients of A, B and M are the slopes of the loss with the norms |V| held, computed by a student whose weights are
// (M / |V|) (W + Scale B·A), in float64 and without any adapter.
func TestFixturesDoRAGradient(t *testing.T) {
	level := best(t)
	for _, name := range []string{"llama-gqa.F32.gguf", "qwen2.F32.gguf", "gemma3.F32.gguf"} {
		t.Run(name, func(t *testing.T) {
			path := fixture(t, name)
			s := withHead(t, path, models.PoolMean).Student
			plain := withHead(t, path, models.PoolMean).Student
			r := rand.New(rand.NewPCG(65, 66))
			doraStudent(t, s, r)
			k := newTask(t, s, 5, 5, 1, 9)
			k.run(NewGraph(s, level, 2, goParallel(2)), true)
			k.s = plain
			g := NewGraph(plain, level, 2, goParallel(2))
			norms := map[string][]float64{}
			weights := func(hold bool) float64 {
				for name, a := range s.adapters {
					from, to := s.byName[name], plain.byName[name]
					in, out := from.Shape[0], from.Shape[1]
					if norms[name] == nil {
						norms[name] = make([]float64, out)
					}
					for o := range out {
						row, sum := make([]float64, in), 0.0
						for i := range row {
							row[i] = float64(from.W[o*in+i])
							for j := range a.Rank {
								row[i] += float64(a.Scale) * float64(a.B.W[o*a.Rank+j]) * float64(a.A.W[j*in+i])
							}
							sum += row[i] * row[i]
						}
						if !hold {
							norms[name][o] = math.Sqrt(sum)
						}
						for i, v := range row {
							to.W[o*in+i] = float32(float64(a.M.W[o]) / norms[name][o] * v)
						}
					}
				}
				return k.run(g, false)
			}
			weights(false)
			for _, p := range s.Params {
				if !strings.Contains(p.Name, ".lora_") || !strings.Contains(p.Name, "blk.0.") {
					continue
				}
				norm := 0.0
				for _, v := range p.G {
					norm += float64(v) * float64(v)
				}
				norm = math.Sqrt(norm)
				saved := slices.Clone(p.W)
				got, unsure := derivative(func(x float64) float64 {
					for i := range p.W {
						p.W[i] = float32(float64(saved[i]) + x*float64(p.G[i])/norm)
					}
					return weights(true)
				}, min(0.05, 0.02/norm))
				copy(p.W, saved)
				if tol := 2e-3*norm + unsure; norm == 0 || unsure > 0.02*norm || !(math.Abs(got-norm) <= tol) {
					t.Errorf("%s: slope %.6g (+- %.2g), gradient says %.6g", p.Name, got, unsure, norm)
				}
			}
		})
	}
}

// A job with sizes apart resumes, repeats its result, and writes an ordinary model, another than LoRA's.
func TestJobDoRA(t *testing.T) {
	models := map[string]string{}
	for _, kind := range []string{"lora", "dora"} {
		recipe := tinyJob(t)
		edit(t, recipe, "freeze: [token_embd.weight]", fmt.Sprintf("freeze: [token_embd.weight], lora: {rank: 4, kind: %s}", kind))
		o := Options{Threads: 2}
		_, dir := mustApply(t, recipe, o, Stages{})
		model := sha(t, filepath.Join(dir, "model.gguf"))
		models[model] = kind
		checkSums(t, dir, "adapter/adapter_config.json", "adapter/adapter_model.safetensors")
		mustApply(t, recipe, o, Stages{From: "eval"})
		o.RunsDir, o.Threads = t.TempDir(), 1
		if _, dir := mustApply(t, recipe, o, Stages{}); sha(t, filepath.Join(dir, "model.gguf")) != model {
			t.Errorf("%s: a second run gives another model", kind)
		}
		s := openStudent(t, filepath.Join(dir, "model.gguf"))
		if slices.ContainsFunc(s.Params, func(p *Param) bool { return strings.Contains(p.Name, "lora") }) {
			t.Errorf("%s: adapters are left in the file", kind)
		}
	}
	if len(models) != 2 {
		t.Error("both kinds give the same model")
	}
}
