package distill

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/tiny"
	"github.com/freehold-slm/freehold/quant"
)

func best(t testing.TB) *kernels.Level {
	t.Helper()
	l, err := kernels.Best()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// modelFiles lists the unquantised fixture models that models knows, and tiny ones for the ops of other architectures; what is not known is
// named in the log.
func modelFiles(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(fixtures(t), "models", "*.F32.gguf"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no fixture models (%v)", err)
	}
	made, err := tiny.Files(t.TempDir(), "olmo", "command-r", "cohere2", "exaone4", "nemotron", "hunyuan-dense", "mpt", "bloom", "stablelm-norms")
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, made...)
	var out, refused []string
	for _, path := range all {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := models.NewSpec(f); err == nil {
			out = append(out, path)
		} else {
			refused = append(refused, strings.TrimSuffix(filepath.Base(path), ".F32.gguf"))
		}
		f.Close()
	}
	if len(out) == 0 {
		t.Fatal("none of the fixture models is supported")
	}
	if len(refused) > 0 {
		t.Logf("SKIPPED, architectures that are not supported yet: %s", strings.Join(refused, " "))
	}
	return out
}

// withStates lists the first of modelFiles and those with recurrent layers.
func withStates(t *testing.T) []string {
	t.Helper()
	all := modelFiles(t)
	out := all[:1]
	for _, path := range all[1:] {
		switch strings.TrimSuffix(filepath.Base(path), ".F32.gguf") {
		case "mamba", "mamba2", "lfm2", "granitehybrid":
			out = append(out[:len(out):len(out)], path)
		}
	}
	return out
}

func randomTokens(r *rand.Rand, n, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(r.IntN(vocab))
	}
	return out
}

// withHead gives the model at path a pooled classification head with random weights.
func withHead(t testing.TB, path string, pooling models.Pooling) *Base {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBase(f, Prune{Layers: upTo(spec.Layers), Labels: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	b.Student.Spec.Pooling = pooling
	for i := range b.Meta {
		if b.Meta[i].Key == spec.Arch+".pooling_type" {
			b.Meta[i].Value = uint32(pooling)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"cls.output.weight", "cls.output.bias"} {
		for i := range b.Student.Param(name).W {
			b.Student.Param(name).W[i] = float32(0.2 * r.NormFloat64())
		}
	}
	return b
}

// withTags gives the model at path a head of tags with random weights; nil = its layers cannot do without the causal mask.
func withTags(t testing.TB, path string) *Base {
	t.Helper()
	return withoutMask(t, path, Prune{Tags: []string{"O", "B-a", "I-a"}})
}

// seeingAll gives the model at path, without its causal mask, a pooled classification head with random weights; nil = its layers cannot do without.
func seeingAll(t testing.TB, path string, pooling models.Pooling) *Base {
	t.Helper()
	return withoutMask(t, path, Prune{Labels: []string{"a", "b", "c"}, Pooling: pooling, Bidirectional: true})
}

func withoutMask(t testing.TB, path string, p Prune) *Base {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	p.Layers = upTo(spec.Layers)
	b, err := NewBase(f, p)
	if spec.Mixer != models.NoMixer || spec.MaxALiBi > 0 {
		if err == nil || !strings.Contains(err.Error(), "no token after") {
			t.Errorf("a student of %s without the mask: %v, want an error", spec.Arch, err)
		}
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"cls.output.weight", "cls.output.bias"} {
		for i := range b.Student.Param(name).W {
			b.Student.Param(name).W[i] = float32(0.2 * r.NormFloat64())
		}
	}
	return b
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// exportTo writes the student and returns the file's path.
func exportTo(t testing.TB, b *Base, format string) string {
	t.Helper()
	mix, err := quant.MixByName(format)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := b.Export(mix, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "student."+format+".gguf")
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// engineLogits runs a file in mode reference: all logits of the tokens, and the head's where the file has one.
func engineLogits(t testing.TB, path string, level *kernels.Level, tokens []int32) (logits, class []float32) {
	t.Helper()
	m, err := engine.Open(path, engine.WithNumeric(engine.Reference), engine.WithKV(engine.KVF32), engine.WithLevel(level), engine.WithThreads(2))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if !m.Spec.Encoder {
		s := m.NewSession()
		defer s.Close()
		if err := m.EvalBatch(context.Background(), []engine.Seq{{Session: s, Tokens: tokens, Want: engine.WantAll}}); err != nil {
			t.Fatal(err)
		}
		logits = slices.Clone(s.LogitsAll())
	}
	if len(m.Spec.Labels)+len(m.Spec.Tags) > 0 {
		c := m.NewSession()
		defer c.Close()
		if err := m.EvalBatch(context.Background(), []engine.Seq{{Session: c, Tokens: tokens, Want: engine.WantClass}}); err != nil {
			t.Fatal(err)
		}
		class = slices.Clone(c.ClassLogits())
	}
	return logits, class
}

// sameBits names the first element where two vectors differ.
func sameBits(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	differ, first := 0, -1
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			if differ++; first < 0 {
				first = i
			}
		}
	}
	if differ > 0 {
		t.Errorf("%s: %d of %d values differ, the first at %d: %v (%08x), want %v (%08x)", what, differ, len(want), first,
			got[first], math.Float32bits(got[first]), want[first], math.Float32bits(want[first]))
	}
}

// The forward pass of training is the engine's mode reference, bit for bit: one program, one arithmetic.
func TestFixturesForwardEqualsEngine(t *testing.T) {
	level := best(t)
	for _, path := range modelFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := openStudent(t, path)
			tokens := randomTokens(rand.New(rand.NewPCG(3, 4)), min(s.Spec.Context, 300), s.Spec.Vocab)
			want, _ := engineLogits(t, path, level, tokens)
			sameBits(t, "logits", logitsOf(s, level, tokens), want)

			for _, pooling := range []models.Pooling{models.PoolMean, models.PoolLast} {
				b := withHead(t, path, pooling)
				_, want := engineLogits(t, exportTo(t, b, "f32"), level, tokens)
				g := NewGraph(b.Student, level, 1, goParallel(1))
				var batch Batch
				batch.Add(tokens)
				g.Forward(&batch)
				sameBits(t, fmt.Sprintf("classification logits, pooling %d", pooling), g.Value(b.Student.Program.Class), want)

				if b := seeingAll(t, path, pooling); b != nil {
					_, want := engineLogits(t, exportTo(t, b, "f32"), level, tokens)
					g := NewGraph(b.Student, level, 1, goParallel(1))
					batch.Reset()
					batch.Add(tokens[:7]) // a neighbour
					batch.Add(tokens)
					g.Forward(&batch)
					sameBits(t, fmt.Sprintf("classification logits without the mask, pooling %d", pooling), g.Value(b.Student.Program.Class)[3:], want)
				}
			}
			if b := withTags(t, path); b != nil {
				_, want := engineLogits(t, exportTo(t, b, "f32"), level, tokens)
				g := NewGraph(b.Student, level, 1, goParallel(1))
				var batch Batch
				batch.Add(tokens[:7]) // a neighbour
				batch.Add(tokens)
				g.Forward(&batch)
				sameBits(t, "logits of tags", g.Value(b.Student.Program.Class)[7*3:], want)
			}
		})
	}
}

// task is a whole training step on some sequences, with a language-model and, where the student has one, a
// classification loss.
type task struct {
	s       *Student
	batch   Batch
	lm, cls Loss
	lmT     []Target // [tokens]
	clsT    []Target // [sequences]
}

func newTask(t testing.TB, s *Student, seed uint64, lengths ...int) *task {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 9))
	k := &task{s: s}
	for _, n := range lengths {
		k.batch.Add(randomTokens(r, n, s.Spec.Vocab))
	}
	var err error
	if k.lm, err = NewLoss("ce", LossParams{}); err != nil {
		t.Fatal(err)
	}
	if k.cls, err = NewLoss("forward_kl", LossParams{Temperature: 2}); err != nil {
		t.Fatal(err)
	}
	for range k.batch.Tokens {
		k.lmT = append(k.lmT, Target{Label: int32(r.IntN(s.Spec.Vocab)), Weight: 1 / float32(len(k.batch.Tokens))})
	}
	rows, labels := len(lengths), len(s.Spec.Labels)
	if s.Spec.Tags != nil {
		rows, labels = len(k.batch.Tokens), len(s.Spec.Tags)
	}
	for range rows {
		teacher := make([]float32, labels)
		for i := range teacher {
			teacher[i] = float32(3 * r.NormFloat64())
		}
		k.clsT = append(k.clsT, Target{Label: -1, Teacher: teacher, Weight: 1 / float32(rows)})
	}
	return k
}

// run gives the loss and, with grad, leaves the gradients in the student. Losses are summed as float64.
func (k *task) run(g *Graph, grad bool) float64 {
	k.s.ZeroGrad()
	g.Forward(&k.batch)
	total := 0.0
	if k.s.Program.Class >= 0 {
		total += g.ClassLoss(k.cls, func(seq int) Target { return k.clsT[seq] }, grad)
	} else {
		total += NewHead(g).Loss(k.lm, func(r int) Target { return k.lmT[r] }, grad)
	}
	if grad {
		g.Backward()
	}
	return total
}

// The gradient of every tensor is the slope of the loss, along the gradient itself and along random directions, by
// fourth-order central differences.
func TestFixturesGradientIsSlope(t *testing.T) {
	level := best(t)
	for _, path := range modelFiles(t) {
		var cases []string
		switch strings.TrimSuffix(filepath.Base(path), ".F32.gguf") {
		case "llama-gqa":
			cases = []string{"lm", "last", "tags"}
		case "qwen2", "llama-ropefreqs-tied", "llama-bias-mha": // biases of q, k, v; a tied head; biases everywhere
			cases = []string{"lm", "mean"}
		case "gemma2": // windows, which tags do not have
			cases = []string{"lm", "tags", "seeing all"}
		case "olmo2", "granite", "phi3-plain", "gpt2", "gptneox-par", "phi2", "falcon-7b", "stablelm",
			"gpt-oss", "deepseek2-lite", "deepseek2-qlora", "lfm2", "mamba", "granitehybrid", "olmo", "command-r", "nemotron", "hunyuan-dense", "bloom", "stablelm-norms":
			cases = []string{"lm"} // what each adds; windows are shorter than the longest sequence
		case "mamba2":
			cases = []string{"lm", "groups"}
		case "llama-moe", "qwen2moe", "olmoe":
			cases = []string{"all experts"} // where some are chosen here, a step changes the choice, and the loss jumps
		}
		for _, name := range cases {
			var s *Student
			switch name {
			case "lm":
				s = openStudent(t, path)
			case "groups": // of the same tensors
				s = openStudentAs(t, path, func(spec *models.Spec) { spec.Groups, spec.State = 2, spec.State/2 })
			case "all experts":
				s = openStudentAs(t, path, func(spec *models.Spec) { spec.TopExperts = spec.Experts })
			case "mean":
				s = withHead(t, path, models.PoolMean).Student
			case "last":
				s = withHead(t, path, models.PoolLast).Student
			case "tags":
				s = withTags(t, path).Student
			case "seeing all":
				s = seeingAll(t, path, models.PoolMean).Student
			}
			t.Run(filepath.Base(path)+"/"+name, func(t *testing.T) {
				k := newTask(t, s, 5, 5, 1, max(9, s.Spec.Window+5))
				g := NewGraph(s, level, 2, goParallel(2))
				k.run(g, true)
				grads := map[string][]float32{}
				for _, p := range s.Params {
					grads[p.Name] = slices.Clone(p.G)
				}
				r := rand.New(rand.NewPCG(6, 7))
				for _, p := range s.Params {
					if s.Program.Class >= 0 && p.Name == "output.weight" {
						continue // the class loss does not reach it
					}
					slope(t, k, g, p, grads[p.Name], r)
				}
			})
		}
	}
}

// slope compares p's gradient with the loss's slope in four directions: the gradient's own, two random ones weighted
// by it, and one that knows nothing of it.
func slope(t *testing.T, k *task, g *Graph, p *Param, grad []float32, r *rand.Rand) {
	t.Helper()
	norm, quart := 0.0, 0.0
	for _, v := range grad {
		x := float64(v) * float64(v)
		norm += x
		quart += x * x
	}
	if norm == 0 {
		t.Errorf("%s: the gradient is zero", p.Name)
		return
	}
	// What a slope in each kind of direction is typically: tolerances are shares of it.
	typical := [4]float64{math.Sqrt(norm), math.Sqrt(quart / norm), math.Sqrt(quart / norm), math.Sqrt(norm / float64(len(grad)))}
	saved := slices.Clone(p.W)
	defer copy(p.W, saved)
	for try, scale := range typical {
		dir := make([]float64, len(grad))
		length, want := 0.0, 0.0
		for i := range dir {
			switch try {
			case 0:
				dir[i] = float64(grad[i])
			case 3:
				dir[i] = r.NormFloat64()
			default:
				dir[i] = r.NormFloat64() * float64(grad[i])
			}
			length += dir[i] * dir[i]
		}
		length = math.Sqrt(length)
		for i := range dir {
			dir[i] /= length
			want += dir[i] * float64(grad[i])
		}
		got, unsure := derivative(func(x float64) float64 {
			for i := range p.W {
				p.W[i] = float32(float64(saved[i]) + x*dir[i])
			}
			return k.run(g, false)
		}, min(0.05, 0.02/typical[0]))
		if try < 3 && unsure > 0.02*scale {
			t.Errorf("%s, direction %d: the slope cannot be measured (%.3g +- %.3g)", p.Name, try, got, unsure)
		}
		if tol := 2e-3*scale + unsure; !(math.Abs(got-want) <= tol) {
			t.Errorf("%s, direction %d: slope %.6g, gradient says %.6g (off by %.2g, tolerance %.2g)", p.Name, try, got, want, math.Abs(got-want), tol)
		}
	}
}

// derivative is f'(0) by Ridders' extrapolation of central differences from step h on, and how unsure it is: the
// extrapolation's own estimate, and the rounding of f, which is a mean of f32 numbers.
func derivative(f func(float64) float64, h float64) (best, unsure float64) {
	const rows, shrink = 5, 1.8
	const rounding = 2e-7
	var a [rows][rows]float64
	unsure = math.Inf(1)
	size := math.Abs(f(0))
	for i := range rows {
		a[i][0] = (f(h) - f(-h)) / (2 * h)
		factor := shrink * shrink
		for j := 1; j <= i; j++ {
			a[i][j] = (a[i][j-1]*factor - a[i-1][j-1]) / (factor - 1)
			factor *= shrink * shrink
			e := math.Max(math.Abs(a[i][j]-a[i][j-1]), math.Abs(a[i][j]-a[i-1][j-1])) + rounding*math.Max(1, size)/h
			if e < unsure {
				unsure, best = e, a[i][j]
			}
		}
		h /= shrink
	}
	return best, unsure
}

// Sequences packed into one batch give what each gives alone, bit for bit, over page and call borders.
func TestFixturesPackedForward(t *testing.T) {
	level := best(t)
	for _, path := range withStates(t) {
		b := withHead(t, path, models.PoolMean)
		s := b.Student
		r := rand.New(rand.NewPCG(8, 8))
		var packed Batch
		var alone []Batch
		for _, n := range []int{1, 33, 2, 130, 7, 300, 31} {
			var one Batch
			one.Add(randomTokens(r, n, s.Spec.Vocab))
			alone = append(alone, one)
			packed.Add(one.Tokens)
		}
		g, g1 := NewGraph(s, level, 2, goParallel(2)), NewGraph(s, level, 1, goParallel(1))
		g.Forward(&packed)
		for i := range alone {
			g1.Forward(&alone[i])
			for v := range s.Program.Width {
				if g.val[v] == nil {
					continue
				}
				w := s.Program.Width[v]
				lo, hi := packed.Start[i], packed.Start[i+1]
				if g.pooled[v] {
					lo, hi = i, i+1
				}
				sameBits(t, fmt.Sprintf("sequence %d, value %d", i, v), g.val[v][lo*w:hi*w], g1.val[v])
			}
		}
	}
}

// Only wanted rows go past the last attention, and they equal the same rows of a full pass.
func TestFixturesWantedRows(t *testing.T) {
	level := best(t)
	s := openStudent(t, modelFiles(t)[0])
	k := newTask(t, s, 11, 12, 5)
	g, part := NewGraph(s, level, 1, goParallel(1)), NewGraph(s, level, 1, goParallel(1))
	k.run(g, true)
	full := slices.Clone(g.Value(s.Program.Hidden))
	want := []int{3, 11, 12, 16}
	fewer := Batch{Tokens: k.batch.Tokens, Start: k.batch.Start, Want: want}
	part.Forward(&fewer)
	d := s.Spec.Dim
	for j, r := range want {
		sameBits(t, fmt.Sprintf("row %d", r), part.Value(s.Program.Hidden)[j*d:j*d+d], full[r*d:r*d+d])
	}
	// The gradient of a loss on these rows alone, by both ways.
	weight := func(r int) float32 {
		if slices.Contains(want, r) {
			return 0.25
		}
		return 0
	}
	s.ZeroGrad()
	g.Forward(&k.batch)
	a := NewHead(g).Loss(k.lm, func(r int) Target { tgt := k.lmT[r]; tgt.Weight = weight(r); return tgt }, true)
	g.Backward()
	all := map[string][]float32{}
	for _, p := range s.Params {
		all[p.Name] = slices.Clone(p.G)
	}
	s.ZeroGrad()
	part.Forward(&fewer)
	b := NewHead(part).Loss(k.lm, func(j int) Target { tgt := k.lmT[want[j]]; tgt.Weight = 0.25; return tgt }, true)
	part.Backward()
	if a != b {
		t.Errorf("loss %v of all rows with weights, %v of the wanted rows", a, b)
	}
	for _, p := range s.Params {
		if d := relativeL2(p.G, all[p.Name]); !(d <= 1e-6) {
			t.Errorf("gradient of %s differs by %g", p.Name, d)
		}
	}
}

func relativeL2(got, want []float32) float64 {
	var diff, norm float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		diff += d * d
		norm += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(diff / math.Max(norm, 1e-30))
}

// Any number of workers and any CPU level gives the same loss and gradients, bit for bit, and so the same weights
// after some optimiser steps.
func TestFixturesTrainingBits(t *testing.T) {
	for _, path := range withStates(t) {
		for _, head := range []bool{false, true} {
			type result struct {
				name  string
				loss  float64
				grads [][]float32
				after [][]float32
			}
			run := func(level *kernels.Level, workers int) result {
				s := openStudent(t, path)
				if head {
					s = withHead(t, path, models.PoolMean).Student
				}
				k := newTask(t, s, 13, 17, 3, 40)
				g := NewGraph(s, level, workers, goParallel(workers))
				res := result{name: fmt.Sprintf("head %v, %s, %d workers", head, level.Name, workers)}
				opt := Optimizer{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1, Clip: 0.5, Schedule: Schedule{Kind: "cosine", Warmup: 1, Steps: 3}}
				if err := opt.Prepare(s); err != nil {
					t.Fatal(err)
				}
				for step := range 2 {
					res.loss = k.run(g, true)
					if step == 0 {
						for _, p := range s.Params {
							res.grads = append(res.grads, slices.Clone(p.G))
						}
					}
					opt.Step(s, step, level, goParallel(workers))
				}
				for _, p := range s.Params {
					res.after = append(res.after, p.W)
				}
				return res
			}
			ref := run(kernels.Levels()[0], 1)
			names := openStudent(t, path).Params
			levels := kernels.Levels()
			for i, l := range levels {
				workers := []int{2}
				if i == len(levels)-1 {
					workers = []int{1, 2, 8}
				}
				for _, w := range workers {
					got := run(l, w)
					if got.loss != ref.loss {
						t.Errorf("%s: loss %v, want %v of %s", got.name, got.loss, ref.loss, ref.name)
					}
					for j := range names {
						sameBits(t, got.name+": gradient of "+names[j].Name, got.grads[j], ref.grads[j])
						sameBits(t, got.name+": weights of "+names[j].Name, got.after[j], ref.after[j])
					}
				}
			}
		}
	}
}

// A frozen tensor has no gradient, does not move, and the others' gradients are what they were.
func TestFixturesFrozen(t *testing.T) {
	level := best(t)
	path := modelFiles(t)[0]
	free, cold := openStudent(t, path), openStudent(t, path)
	patterns := []string{"token_embd.weight", "blk.0.*", "output_norm.weight"}
	if err := cold.Freeze(patterns...); err != nil {
		t.Fatal(err)
	}
	kf, kc := newTask(t, free, 17, 6, 11), newTask(t, cold, 17, 6, 11)
	gf, gc := NewGraph(free, level, 2, goParallel(2)), NewGraph(cold, level, 2, goParallel(2))
	if a, b := kf.run(gf, true), kc.run(gc, true); a != b {
		t.Errorf("loss %v frozen, %v free", b, a)
	}
	opt := Optimizer{LR: 1e-2, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Schedule: Schedule{Kind: "constant"}}
	if err := opt.Prepare(cold); err != nil {
		t.Fatal(err)
	}
	before := openStudent(t, path)
	frozen := 0
	for _, p := range cold.Params {
		if p.Frozen() {
			frozen++
			continue
		}
		sameBits(t, "gradient of "+p.Name, p.G, free.Param(p.Name).G)
	}
	opt.Step(cold, 0, level, goParallel(2))
	for _, p := range cold.Params {
		if same := slices.Equal(p.W, before.Param(p.Name).W); same != p.Frozen() {
			t.Errorf("%s: frozen %v, unchanged by a step %v", p.Name, p.Frozen(), same)
		}
	}
	if frozen < 3 {
		t.Errorf("%d tensors are frozen", frozen)
	}
	size, learning := cold.Size()
	if !(learning < size) || learning == 0 {
		t.Errorf("%d of %d weights learn", learning, size)
	}
	if err := cold.Freeze("blk.99.*"); err == nil {
		t.Error("a pattern that matches nothing is accepted")
	}
	if err := cold.Freeze("[x"); err == nil {
		t.Error("a malformed pattern is accepted")
	}
}
