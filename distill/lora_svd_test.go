package distill

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// An adapter from the SVD holds what the whole SVD says is largest, within a hundredth of the rest, changes nothing that the student
// computes, leaves no pair that cannot learn, and has the same bits on every level.
func TestPrincipal(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 82))
	for _, c := range []struct{ out, in, rank, full int }{{40, 30, 4, 30}, {17, 70, 6, 17}, {70, 20, 32, 20}, {24, 24, 8, 3}, {9, 8, 2, 0}} {
		w := make([]float32, c.out*c.in) // of rank full, its singular values falling as 1/sqrt(i)
		for i := range c.full {
			x, y := normal(r, c.out, 1), normal(r, c.in, 1)
			for o := range x {
				for j := range y {
					w[o*c.in+j] += x[o] * y[j] / float32(math.Sqrt(float64(i+1)))
				}
			}
		}
		exact := make([]float64, len(w))
		norm := 0.0
		for i, x := range w {
			exact[i] = float64(x)
			norm += exact[i] * exact[i]
		}
		var svd mat.SVD
		if !svd.Factorize(mat.NewDense(c.out, c.in, exact), mat.SVDNone) {
			t.Fatal("no SVD")
		}
		least := 0.0
		for i, s := range svd.Values(nil) {
			if i >= c.rank {
				least += s * s
			}
		}
		var first []float32
		for _, level := range kernels.Levels() {
			p := &Param{Shape: []int{c.in, c.out}, W: slices.Clone(w)}
			a := &Adapter{Rank: c.rank, Scale: 1.5, A: &Param{W: normal(r, c.rank*c.in, 1)}, B: &Param{W: make([]float32, c.out*c.rank)}}
			if first != nil { // what Adapt would have made
				copy(a.A.W, first[len(w):])
			}
			if err := a.takeFrom(level, p, 5, 0); err != nil {
				t.Fatal(err)
			}
			whole, rest := make([]float32, len(w)), 0.0
			a.merged(level, whole, p.W, c.in, 0, c.out)
			for _, x := range p.W {
				rest += float64(x) * float64(x)
			}
			what := fmt.Sprintf("%+v, %s", c, level.Name)
			if d := maxAbsDiff(whole, w); !(d <= 1e-5) {
				t.Errorf("%s: with its adapter the weight is off by %g", what, d)
			}
			if rest > 1.01*least+1e-9*norm {
				t.Errorf("%s: %g is left of the weight, want at most %g", what, rest, least)
			}
			for i := range c.rank {
				if row := a.A.W[i*c.in : (i+1)*c.in]; slices.Max(row) == 0 && slices.Min(row) == 0 {
					t.Errorf("%s: pair %d cannot learn", what, i)
				}
			}
			got := slices.Concat(p.W, a.A.W, a.B.W)
			if first == nil {
				first = got
			}
			sameBits(t, what, got, first)
		}
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), 3e38} {
		w := []float32{bad, bad, bad, bad}
		if _, _, _, err := principal(best(t), w, 2, 2, 1, 1, 0); err == nil || !strings.Contains(err.Error(), "not finite") {
			t.Errorf("a weight of %v: %v", bad, err)
		}
	}
}

// Whole students: nothing they compute changes, a seed tells all, with sizes of rows too; and what is written for PEFT, which
// goes beside the base's own weights, is what was learnt.
func TestFixturesPrincipal(t *testing.T) {
	level := best(t)
	path := fixture(t, "llama-gqa.F32.gguf")
	for _, kind := range []string{"lora", "dora"} {
		build := func(workers int) *Student {
			s := openStudent(t, path)
			if err := s.Adapt([]string{"blk.*"}, 3, 6, 1); err != nil {
				t.Fatal(err)
			}
			if kind == "dora" {
				s.Decompose(level)
			}
			if err := s.startFromSVD(level, goParallel(workers), 1); err != nil {
				t.Fatal(err)
			}
			return s
		}
		s, plain := build(1), openStudent(t, path)
		tokens := randomTokens(rand.New(rand.NewPCG(83, 84)), 20, s.Spec.Vocab)
		want := logitsOf(plain, level, tokens)
		if d := maxAbsDiff(logitsOf(s, level, tokens), want); !(d <= 1e-4) {
			t.Errorf("%s: logits at the start are off by %g", kind, d)
		}
		other := build(3)
		for i, p := range s.Params {
			sameBits(t, kind+" on 3 workers: "+p.Name, other.Params[i].W, p.W)
		}
		name := "blk.1.ffn_down.weight"
		a := s.adapters[name]
		if slices.Equal(s.Param(name).W, plain.Param(name).W) || slices.Max(a.B.W) == 0 {
			t.Fatalf("%s: nothing was taken out of %s", kind, name)
		}
		r := rand.New(rand.NewPCG(85, 86))
		for i := range a.A.W {
			a.A.W[i] += 0.1 * float32(r.NormFloat64())
		}
		dir := t.TempDir()
		if err := s.writePEFT(gguf.OS{}, dir, "some/base", upTo(s.Spec.Layers)); err != nil {
			t.Fatal(err)
		}
		values, shapes := peftTensors(t, dir)
		module := "base_model.model.model.layers.1.mlp.down_proj"
		down, up := values[module+".lora_A.weight"], values[module+".lora_B.weight"]
		if !slices.Equal(shapes[module+".lora_A.weight"], []int{6, s.Param(name).Shape[0]}) {
			t.Fatalf("%s: lora_A has shape %v, want twice the rank", kind, shapes[module+".lora_A.weight"])
		}
		in, out := s.Param(name).Shape[0], s.Param(name).Shape[1]
		beside := &Adapter{Rank: 6, Scale: a.Scale, A: &Param{W: down}, B: &Param{W: up}}
		got, merged := make([]float32, in*out), make([]float32, in*out)
		beside.merged(level, got, plain.Param(name).W, in, 0, out)
		a.merged(level, merged, s.Param(name).W, in, 0, out)
		if d, moved := maxAbsDiff(got, merged), maxAbsDiff(merged, plain.Param(name).W); !(d <= 1e-5) || moved < 1e-3 {
			t.Errorf("%s: beside the base the weight is off by %g, of %g that it moved", kind, d, moved)
		}
	}
}

// A job whose adapters start from the SVD resumes and repeats its result, and the manifest names the architecture.
func TestJobPrincipal(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "freeze: [token_embd.weight]", "freeze: [token_embd.weight], lora: {rank: 4, init: pissa}")
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	model, f16 := sha(t, filepath.Join(dir, "model.gguf")), sha(t, filepath.Join(dir, "model.f16.gguf"))
	var m Manifest
	if b, err := os.ReadFile(filepath.Join(dir, manifestName)); err != nil || json.Unmarshal(b, &m) != nil {
		t.Fatal(err, string(b))
	}
	if !strings.Contains(m.Precision, "SVD") {
		t.Errorf("the manifest says %q of the training's bits", m.Precision)
	}
	o := Options{Threads: 1, RunsDir: t.TempDir()}
	mustApply(t, recipe, o, Stages{Only: "label"})
	mustApply(t, recipe, o, Stages{Only: "train"})
	if _, dir = mustApply(t, recipe, o, Stages{From: "eval"}); sha(t, filepath.Join(dir, "model.gguf")) != model || sha(t, filepath.Join(dir, "model.f16.gguf")) != f16 {
		t.Error("on another number of threads, by stages, the model is another")
	}
}
