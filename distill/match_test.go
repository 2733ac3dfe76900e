package distill

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// The losses of states and attention are what their formulas say, written again here in float64, and the gradients of
// projection, weights before the value and embedding are their slopes: student and teacher of other widths, heads, windows.
func TestFixturesMatch(t *testing.T) {
	level := best(t)
	for _, c := range []struct{ student, teacher, loss string }{
		{"llama-gqa.F32.gguf", "qwen2.F32.gguf", "mse"}, {"gemma3.F32.gguf", "llama-gqa.F32.gguf", "forward_kl"}, {"llama-gqa.F32.gguf", "llama-gqa.F32.gguf", "mse"},
	} {
		t.Run(c.student+"/"+c.teacher+"/"+c.loss, func(t *testing.T) {
			s, teacher := openStudent(t, fixture(t, c.student)), openStudent(t, fixture(t, c.teacher))
			tensors := len(s.Params)
			mse, err := NewLoss("mse", LossParams{})
			if err != nil {
				t.Fatal(err)
			}
			loss, err := NewLoss(c.loss, LossParams{})
			if err != nil {
				t.Fatal(err)
			}
			value := func(s *Student) models.Value { // what attention of the second layer reads
				for _, o := range s.Program.Ops {
					if o.Kind == models.MatMul && o.Layer == 1 {
						return o.In[0]
					}
				}
				panic("no second layer")
			}
			states := NewStateMatch(s, value(s), teacher.Program.Width[value(teacher)], mse, 0.7, 1)
			attention := NewAttentionMatch(s, 1, teacher.Spec.Heads, loss, 0.3, 2)
			r := rand.New(rand.NewPCG(91, 92))
			for _, p := range []*Param{states.P, attention.P} {
				for i := range p.W {
					p.W[i] += float32(0.1 * r.NormFloat64())
				}
			}
			var b Batch
			for _, n := range []int{5, 1, 11} {
				b.Add(randomTokens(r, n, min(s.Spec.Vocab, teacher.Spec.Vocab)))
			}
			g, tg := NewGraph(s, level, 2, goParallel(2)), NewGraph(teacher, level, 2, goParallel(2))
			tg.Forward(&b)
			run := func(grad bool) (a, z float64) {
				s.ZeroGrad()
				g.Forward(&b)
				a = states.Match(g, tg.Value(value(teacher)), grad)
				z = attention.Match(g, tg, 1, grad)
				if grad {
					g.Backward()
				}
				return a, z
			}
			gotStates, gotAttention := run(true)
			wantStates, wantAttention := slowStates(states, g, tg, value(teacher)), slowAttention(attention, g, tg, c.loss)
			if math.Abs(gotStates-wantStates) > 1e-5*wantStates || math.Abs(gotAttention-wantAttention) > 1e-4*wantAttention || !(wantStates > 0) || !(wantAttention > 0) {
				t.Errorf("states %.8g, want %.8g; attention %.8g, want %.8g", gotStates, wantStates, gotAttention, wantAttention)
			}
			for _, name := range []string{states.P.Name, attention.P.Name, "token_embd.weight", "blk.1.attn_q.weight", "blk.1.attn_k.weight", "blk.0.ffn_down.weight"} {
				p := s.Param(name)
				grad, norm := slices.Clone(p.G), 0.0
				for _, v := range grad {
					norm += float64(v) * float64(v)
				}
				norm = math.Sqrt(norm)
				saved := slices.Clone(p.W)
				got, unsure := derivative(func(x float64) float64 {
					for i := range p.W {
						p.W[i] = float32(float64(saved[i]) + x*float64(grad[i])/norm)
					}
					a, z := run(false)
					return a + z
				}, min(0.05, 0.02/norm))
				copy(p.W, saved)
				if tol := 2e-3*norm + unsure; norm == 0 || unsure > 0.02*norm || !(math.Abs(got-norm) <= tol) {
					t.Errorf("%s: slope %.6g (+- %.2g), gradient says %.6g", name, got, unsure, norm)
				}
				run(true)
			}
			states.Release(s)
			attention.Release(s)
			if len(s.Params) != tensors || s.Param(states.P.Name) != nil {
				t.Errorf("%d tensors are left, want %d", len(s.Params), tensors)
			}
		})
	}
}

// A student that is its teacher has nothing to match: both projections start as the identity.
func TestFixturesMatchItself(t *testing.T) {
	s := openStudent(t, fixture(t, "llama-gqa.F32.gguf"))
	mse, err := NewLoss("mse", LossParams{})
	if err != nil {
		t.Fatal(err)
	}
	states := NewStateMatch(s, s.Program.Hidden, s.Spec.Dim, mse, 1, 1)
	attention := NewAttentionMatch(s, 0, s.Spec.Heads, mse, 1, 1)
	g := NewGraph(s, best(t), 1, goParallel(1))
	var b Batch
	b.Add(randomTokens(rand.New(rand.NewPCG(93, 94)), 20, s.Spec.Vocab))
	g.Forward(&b)
	if a, z := states.Match(g, slices.Clone(g.Value(s.Program.Hidden)), false), attention.Match(g, g, 0, false); a != 0 || z != 0 {
		t.Errorf("states %g, attention %g, want 0", a, z)
	}
}

func slowStates(m *StateMatch, g, teacher *Graph, v models.Value) float64 {
	x, y := g.Value(m.Value), teacher.Value(v)
	in, out, total := m.P.Shape[0], m.P.Shape[1], 0.0
	rows := len(x) / in
	for r := range rows {
		for o := range out {
			z := 0.0
			for i := range in {
				z += float64(m.P.W[o*in+i]) * float64(x[r*in+i])
			}
			d := z - float64(y[r*out+o])
			total += d * d / float64(out)
		}
	}
	return m.Weight * total / float64(rows)
}

func slowAttention(m *AttentionMatch, g, teacher *Graph, loss string) float64 {
	score := func(g *Graph, layer, h, q, k int) float64 {
		spec, o := g.student.Spec, g.attendOp(layer)
		hd, sum := spec.HeadDim, 0.0
		for i := range hd {
			sum += float64(g.val[o.In[0]][(q*spec.Heads+h)*hd+i]) * float64(g.val[o.In[1]][(k*spec.KVHeads+h*spec.KVHeads/spec.Heads)*hd+i])
		}
		return sum * float64(spec.AttnScale)
	}
	heads, wanted, total := m.P.Shape[0], m.P.Shape[1], 0.0
	window := g.attendOp(m.Layer).Window
	for s := range g.batch.Seqs() {
		for q := g.batch.Start[s]; q < g.batch.Start[s+1]; q++ {
			for h := range wanted {
				var z, y []float64
				for k := g.batch.Start[s]; k <= q; k++ {
					if window > 0 && q-k >= window {
						continue
					}
					mixed := 0.0
					for j := range heads {
						mixed += float64(m.P.W[h*heads+j]) * score(g, m.Layer, j, q, k)
					}
					z, y = append(z, mixed), append(y, score(teacher, 1, h, q, k))
				}
				total += lossSpecs[loss](lossCase{LossParams{Temperature: 1}, -1}, z, y)
			}
		}
	}
	return m.Weight * total / float64(len(g.batch.Tokens)*wanted)
}

// A student that is its teacher has nothing to match; a pruned one has, its layers go with the even ones of the teacher, and a
// share of the batch has that share of the loss.
func TestFixturesMatching(t *testing.T) {
	level, path := best(t), fixture(t, "llama-gqa.F32.gguf")
	weights := MatchRecipe{States: 0.5, Attention: 2}
	var b Batch
	b.Add(randomTokens(rand.New(rand.NewPCG(93, 94)), 19, openStudent(t, path).Spec.Vocab))
	lossOf := func(s *Student, share float64) float64 {
		m, err := NewMatching(s, openStudent(t, path), weights, 1)
		if err != nil {
			t.Fatal(err)
		}
		g := NewGraph(s, level, 2, goParallel(2))
		g.Forward(&b)
		loss := m.Loss(g, share)
		m.Release(s)
		if slices.ContainsFunc(s.Params, func(p *Param) bool { return projected(p.Name) }) {
			t.Error("a projection is left")
		}
		return loss
	}
	if loss := lossOf(openStudent(t, path), 1); !(math.Abs(loss) < 1e-9) {
		t.Errorf("loss %g of the teacher itself, want 0", loss)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	layers := openStudent(t, path).Spec.Layers
	pruned, err := NewBase(f, Prune{Layers: []int{layers - 1}})
	if err != nil {
		t.Fatal(err)
	}
	one, half := lossOf(pruned.Student, 1), lossOf(pruned.Student, 0.5)
	if !(one > 1e-3) || math.Abs(one-2*half) > 1e-6*one {
		t.Errorf("loss %g, of half the batch %g; want some and its half", one, half)
	}
	m, err := NewMatching(pruned.Student, openStudent(t, path), weights, 1)
	if err != nil || m.layers[0] != layers-1 {
		t.Errorf("one layer goes with layer %v of %d (%v), want the last", m.layers, layers, err)
	}
	if _, err := NewMatching(openStudent(t, path), pruned.Student, weights, 1); err == nil {
		t.Error("a teacher with fewer layers is accepted")
	}
}

// weightsOf are the weights of a run's model.gguf, without the name of the run, by which the files of two runs differ always. No projection is among them.
func weightsOf(t *testing.T, dir string) (data []byte) {
	t.Helper()
	f, err := gguf.Open(filepath.Join(dir, "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, x := range f.Tensors {
		if data = append(data, x.Data...); projected(x.Name) {
			t.Errorf("model.gguf holds %s", x.Name)
		}
	}
	return data
}

// A job whose recipe matches states and attention gives another model than one that does not, the same with any number of threads
// and after an interruption, and no projection in its file.
func TestJobMatch(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "quantize: [f16, q8_0]", "quantize: [q8_0]")
	edit(t, recipe, "lr: 0.003", "lr: 0.003, ema: 0.5, quantize: q8_0")
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	plain := weightsOf(t, dir)
	edit(t, recipe, "lr: 0.003", "lr: 0.003, match: {states: 0.5, attention: 0.5}")
	_, dir = mustApply(t, recipe, Options{Threads: 2}, Stages{})
	model := sha(t, filepath.Join(dir, "model.gguf"))
	if bytes.Equal(weightsOf(t, dir), plain) {
		t.Error("matching makes no difference")
	}
	if _, dir := mustApply(t, recipe, Options{Threads: 1}, Stages{From: "eval"}); sha(t, filepath.Join(dir, "model.gguf")) != model {
		t.Error("the model changed after training")
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
