package distill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// Workload is training as it is timed: optimiser steps of a llama of random weights on random tokens.
type Workload struct {
	Shape     string // one of Workloads
	Loss      string // "ce", "mixed_topk" (ce and the teacher's 64 largest logits) or "forward_kl" (all of them)
	BF16      bool   // refused on a CPU level without a bf16 unit
	Rank      int    // of LoRA adapters; 0 = all weights learn
	Recompute bool
	Threads   int
	Level     *kernels.Level
}

// WorkloadTop is how many of the teacher's logits mixed_topk has.
const WorkloadTop = 64

// WorkloadShape is a model and a batch.
type WorkloadShape struct {
	Name    string `json:"-"`
	Layers  int    `json:"layers"`
	Dim     int    `json:"dim"`
	Heads   int    `json:"heads"`
	KVHeads int    `json:"kv_heads"`
	FFN     int    `json:"ffn"`
	Vocab   int    `json:"vocab"` // tied
	Rows    int    `json:"rows"`
	Tokens  int    `json:"tokens"` // of a row
}

// Workloads are a small student and SmolLM2-135M.
var Workloads = []WorkloadShape{
	{"s25", 6, 384, 6, 6, 1024, 32000, 8, 256},
	{"smol135", 30, 576, 9, 3, 1536, 49152, 4, 256},
}

// Workbench repeats the steps of a Workload.
type Workbench struct {
	Shape  WorkloadShape
	Tokens int     // of a step
	Flops  float64 // of a step: 6 a token and weight of a matrix, 4 where it is frozen; attention is left out

	student *Student
	graph   *Graph
	head    *Head
	loss    Loss
	opt     Optimizer
	level   *kernels.Level
	pool    *engine.Pool
	batch   Batch
	targets []Target
	step    int
}

// Prepare makes the model and its batch.
func (w Workload) Prepare() (*Workbench, error) {
	var names []string
	at := slices.IndexFunc(Workloads, func(s WorkloadShape) bool { names = append(names, s.Name); return s.Name == w.Shape })
	if at < 0 {
		return nil, fmt.Errorf("unknown shape %q, want one of: %s", w.Shape, strings.Join(names, ", "))
	}
	if w.BF16 && w.Level.GemmBF16 == nil {
		return nil, fmt.Errorf("CPU level %s has no bf16 unit; use f32", w.Level.Name)
	}
	if !slices.Contains([]string{"ce", "mixed_topk", "forward_kl"}, w.Loss) {
		return nil, fmt.Errorf("loss %q is not timed, want one of: ce, mixed_topk, forward_kl", w.Loss)
	}
	loss, err := NewLoss(w.Loss, LossParams{Alpha: 0.5, K: WorkloadTop})
	if err != nil {
		return nil, err
	}
	s := Workloads[at]
	spec := models.Spec{Arch: "llama", Context: 2048, NormEps: 1e-5, AttnScale: 0.125, Tied: true, Vocab: s.Vocab, Layers: s.Layers, Dim: s.Dim, Heads: s.Heads,
		KVHeads: s.KVHeads, HeadDim: s.Dim / s.Heads, FFN: s.FFN, Rope: models.Rope{Dims: s.Dim / s.Heads, Base: 10000}}
	b := &Workbench{Shape: s, Tokens: s.Rows * s.Tokens, student: newStudent(&spec), loss: loss, level: w.Level, pool: engine.NewPool(w.Threads),
		opt: Optimizer{LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 1, Schedule: Schedule{Kind: "constant"}}}
	for i, p := range b.student.Params {
		fillRandom(p.W, uint32(i), 0.05)
		if len(p.Shape) == 1 {
			for k := range p.W {
				p.W[k] = 1
			}
		}
	}
	if w.Rank > 0 {
		if err := b.student.Adapt([]string{"blk.*"}, w.Rank, 2*float64(w.Rank), 7); err != nil {
			return nil, err
		}
	}
	for _, p := range b.student.Params {
		if len(p.Shape) == 2 {
			perToken := 6.0
			if p.Frozen() {
				perToken = 4
			}
			b.Flops += float64(len(p.W)) * perToken * float64(b.Tokens)
		}
	}
	b.data(w)
	b.graph = NewGraph(b.student, w.Level, w.Threads, b.pool.Run)
	b.graph.bf16 = w.BF16
	if w.Recompute {
		b.graph.Recompute()
	}
	b.head = NewHead(b.graph)
	return b, b.opt.Prepare(b.student)
}

// data fills the batch and its targets: random tokens, and random logits for the teacher's.
func (b *Workbench) data(w Workload) {
	u := make([]float32, b.Tokens+1)
	fillRandom(u, 1<<20, 1)
	ids := make([]int32, len(u))
	for i, v := range u {
		ids[i] = min(int32((v+1)/2*float32(b.Shape.Vocab)), int32(b.Shape.Vocab-1))
	}
	for r := range b.Shape.Rows {
		b.batch.Add(ids[r*b.Shape.Tokens : (r+1)*b.Shape.Tokens])
	}
	b.targets = make([]Target, b.Tokens)
	for i := range b.targets {
		t := Target{Label: ids[i+1], Weight: 1 / float32(b.Tokens)}
		switch w.Loss {
		case "forward_kl":
			t.Teacher = make([]float32, b.Shape.Vocab)
		case "mixed_topk":
			t.Teacher, t.IDs = make([]float32, WorkloadTop), make([]int32, WorkloadTop)
			for k := range t.IDs {
				t.IDs[k] = (ids[i] + int32(k*b.Shape.Vocab/WorkloadTop)) % int32(b.Shape.Vocab)
			}
		}
		fillRandom(t.Teacher, 1<<21+uint32(i), 3)
		b.targets[i] = t
	}
}

// Step runs one optimiser step and returns its loss.
func (b *Workbench) Step() float64 {
	g := b.graph
	for _, p := range b.student.Params {
		g.zero(p.G)
	}
	g.Forward(&b.batch)
	loss := b.head.Loss(b.loss, func(r int) Target { return b.targets[r] }, true)
	g.Backward()
	b.opt.Step(b.student, b.step, b.level, g.par)
	b.step++
	return loss
}

// Close stops the workers.
func (b *Workbench) Close() { b.pool.Close() }

// fillRandom fills x with numbers from -scale to scale.
func fillRandom(x []float32, stream uint32, scale float32) {
	for i := range x {
		if i%4 == 0 {
			r := kernels.Philox(7, [4]uint32{kernels.PurposeInit, stream, uint32(i / 4), 0})
			for k := i; k < min(len(x), i+4); k++ {
				x[k] = scale * float32(float64(r[k-i])/(1<<31)-1)
			}
		}
	}
}
