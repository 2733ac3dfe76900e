package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// whole hides that a loss can take a row in parts.
type whole struct{ Loss }

func (w whole) RowTop(l *kernels.Level, z []float32, ids []int32, t []float32, label int32, weight float32, tmp []float32) float64 {
	return w.Loss.(TopLoss).RowTop(l, z, ids, t, label, weight, tmp)
}

// A row in parts gives the loss and the gradient of the row in one, also where parts are masked or far apart.
func TestLossParts(t *testing.T) {
	level := best(t)
	r := rand.New(rand.NewPCG(61, 62))
	found := 0
	for _, name := range Losses() {
		loss, err := NewLoss(name, anchored(testParams(2), 6))
		if err != nil {
			t.Fatal(err)
		}
		p, ok := loss.(partLoss)
		if !ok {
			continue
		}
		found++
		for _, n := range []int{6, 100, 3000} {
			z, teach := normal(r, n, 3), normal(r, n, 3)
			for i := range n / 3 { // rising, so that the largest comes late
				z[i] -= 1e3
			}
			target := Target{Label: int32(n - 2), Teacher: teach, Weight: 0.5}
			tmp := make([]float32, 3*n)
			want := slices.Clone(z)
			wantLoss := loss.Row(level, want, teach, target.Label, 0.5, tmp)
			var s rowSums
			s.reset()
			var cuts []int
			for at := 0; at < n; at += 1 + r.IntN(n) {
				cuts = append(cuts, at)
			}
			cuts = append(cuts, n)
			for i, at := range cuts[:len(cuts)-1] {
				p.sum(level, &s, z[at:cuts[i+1]], at, &target, tmp)
			}
			got := p.end(level, &s, &target, 0.5)
			for i, at := range cuts[:len(cuts)-1] {
				p.grad(level, &s, z[at:cuts[i+1]], at, &target, tmp)
			}
			if !(math.Abs(got-wantLoss) <= 1e-6*max(1, math.Abs(wantLoss))) {
				t.Errorf("%s, %d wide: loss %v in parts, %v in one", name, n, got, wantLoss)
			}
			if d := relativeL2(z, want); !(d <= 1e-6) {
				t.Errorf("%s, %d wide: gradient in parts is %g from that in one", name, n, d)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d losses come in parts, want 5", found)
	}
	var e expSum
	e.max = float32(math.Inf(-1))
	masked := float32(math.Inf(-1))
	e.add(level, make([]float32, 3), []float32{masked, masked, masked})
	e.add(level, make([]float32, 2), []float32{0, 0})
	if e.sum != 2 {
		t.Errorf("sum %v after a masked part, want 2", e.sum)
	}
	e.max = masked
	if e.add(level, make([]float32, 1), []float32{float32(math.NaN())}); !math.IsNaN(e.sum) {
		t.Errorf("sum %v after a NaN, want NaN", e.sum)
	}
}

// The head in two sweeps gives what whole logits give, for any number of workers and width of the stripes.
func TestHeadSweep(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 64))
	for _, c := range []struct {
		tokens, vocab, dim int
		limit, scale       float32
		frozen             bool
	}{
		{37, 1300, 48, 0, 0, false}, {600, 40, 32, 0, 0, false}, {1, 1025, 80, 0, 0, false}, {300, 1100, 64, 5, 0, false}, {33, 700, 40, 0, 0.5, true},
	} {
		spec := models.Spec{Arch: "llama", Context: 1024, NormEps: 1e-5, AttnScale: 0.25, Tied: true, Vocab: c.vocab, Layers: 1, Dim: c.dim, Heads: 2, KVHeads: 1,
			HeadDim: c.dim / 2, FFN: 32, Rope: models.Rope{Dims: c.dim / 2, Base: 10000}, LogitCap: c.limit, LogitScale: c.scale}
		s := newStudent(&spec)
		for _, p := range s.Params {
			copy(p.W, normal(r, len(p.W), 0.5))
		}
		if c.frozen {
			if err := s.Freeze("token_embd.weight"); err != nil {
				t.Fatal(err)
			}
		}
		ids := make([]int32, c.tokens)
		targets := make([]Target, c.tokens)
		for i := range ids {
			ids[i] = int32(r.IntN(c.vocab))
			targets[i] = Target{Label: int32(r.IntN(c.vocab+1) - 1), Teacher: normal(r, c.vocab, 2), Weight: r.Float32()}
			if i%5 == 4 {
				targets[i].Weight = 0
			}
		}
		var b Batch
		b.Add(ids)
		for _, level := range bf16Levels(t) {
			for _, name := range []string{"ce", "forward_kl", "mixed", "topk_forward_kl", "mixed_topk", "mixed_topk of ids"} {
				byID := name == "mixed_topk of ids"
				if byID {
					name = "mixed_topk"
				}
				loss, err := NewLoss(name, LossParams{Temperature: 2, Alpha: 0.4, K: 5})
				if err != nil {
					t.Fatal(err)
				}
				run := func(loss Loss, workers, stripe int) (float64, [][]float32) {
					g := NewGraph(s, level, workers, goParallel(workers))
					g.bf16 = true
					s.ZeroGrad()
					g.Forward(&b)
					h := NewHead(g)
					h.sweep.stripe = stripe
					target := func(r int) Target {
						t := targets[r]
						if byID {
							t.IDs, t.Teacher = []int32{3, 30, 39, 0}, t.Teacher[:4]
						}
						return t
					}
					if only, grads := h.Loss(loss, target, false), g.grad; grads[h.op.In[0]] != nil || !finite(only) {
						t.Fatalf("without gradient: loss %v", only)
					}
					total := h.Loss(loss, target, true)
					out := [][]float32{slices.Clone(g.Grad(h.op.In[0]))}
					for _, p := range s.Params {
						out = append(out, slices.Clone(p.G))
					}
					return total, out
				}
				what := fmt.Sprintf("%s, %+v, %s", name, c, level.Name)
				wantLoss, want := run(whole{loss}, 2, 0)
				gotLoss, got := run(loss, 2, 0)
				if !(math.Abs(gotLoss-wantLoss) <= 1e-5*max(1, math.Abs(wantLoss))) {
					t.Errorf("%s: loss %v, of whole logits %v", what, gotLoss, wantLoss)
				}
				for i := range want {
					if d := relativeL2(got[i], want[i]); len(want[i]) > 0 && !(d <= 1e-3) {
						t.Errorf("%s: gradient %d is %g from that of whole logits", what, i, d)
					}
				}
				againLoss, again := run(loss, 5, sweepCols)
				if againLoss != gotLoss {
					t.Errorf("%s: loss %v with 5 workers and narrow stripes, %v without", what, againLoss, gotLoss)
				}
				for i := range got {
					sameBits(t, what+": gradient", again[i], got[i])
				}
			}
		}
	}
}
