package distill

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// trainShapes are the shapes whose step is timed: the demo's student, and the two that are compared with PyTorch.
var trainShapes = []struct {
	name            string
	spec            models.Spec
	rows, rowTokens int
	lm, frozenEmbed bool
}{
	{"demo", models.Spec{Vocab: 6000, Layers: 8, Dim: 576, Heads: 9, KVHeads: 3, HeadDim: 64, FFN: 1536}, 32, 27, false, true},
	{"s25", models.Spec{Vocab: 32000, Layers: 6, Dim: 384, Heads: 6, KVHeads: 6, HeadDim: 64, FFN: 1024}, 8, 256, true, false},
	{"smol135", models.Spec{Vocab: 49152, Layers: 30, Dim: 576, Heads: 9, KVHeads: 3, HeadDim: 64, FFN: 1536}, 4, 256, true, false},
}

// BenchmarkStep times optimiser steps on all cores and gives tokens/s and the arithmetic rate, counting 6 operations a
// token and non-embedding weight (4 for what is frozen).
func BenchmarkStep(b *testing.B) {
	for _, c := range trainShapes {
		for _, bf16 := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/bf16=%v", c.name, bf16), func(b *testing.B) {
				benchmarkStep(b, c.spec, c.rows, c.rowTokens, c.lm, c.frozenEmbed, bf16)
			})
		}
	}
}

func benchmarkStep(b *testing.B, spec models.Spec, rows, rowTokens int, lm, frozenEmbed, bf16 bool) {
	spec.Arch, spec.Context, spec.NormEps, spec.AttnScale, spec.Tied = "llama", 2048, 1e-5, 0.125, true
	spec.Rope = models.Rope{Dims: 64, Base: 10000}
	if !lm {
		spec.Labels, spec.Pooling = []string{"negative", "positive"}, models.PoolMean
	}
	s := newStudent(&spec)
	r := rand.New(rand.NewPCG(1, 2))
	weights := 0
	for _, p := range s.Params {
		for i := range p.W {
			p.W[i] = float32(r.NormFloat64()) * 0.03
			if len(p.Shape) == 1 {
				p.W[i] = 1
			}
		}
		if p.Name != "token_embd.weight" || lm {
			weights += len(p.W)
		} else if frozenEmbed {
			p.G = nil
		}
	}
	k := newTask(b, s, 5, repeated(rowTokens, rows)...)
	pool := engine.NewPool(2)
	defer pool.Close()
	g := NewGraph(s, best(b), pool.Threads(), pool.Run)
	g.bf16 = bf16
	opt := Optimizer{LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 1, Schedule: Schedule{Kind: "constant"}}
	if err := opt.Prepare(s); err != nil {
		b.Fatal(err)
	}
	k.run(g, true)
	for b.Loop() {
		k.run(g, true)
		opt.Step(s, 0, best(b), pool.Run)
	}
	tokens := float64(len(k.batch.Tokens)) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(tokens, "tokens/s")
	b.ReportMetric(6*tokens*float64(weights)/1e9, "GFLOP/s")
}

func repeated(v, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = v
	}
	return out
}
