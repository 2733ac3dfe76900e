// Package bench answers how fast: it measures models against what the machine can do at most, measured in the same
// run.
package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/quant"
)

// ModelOptions say what is measured.
type ModelOptions struct {
	Prompts     []int // prompt lengths: ppN computes N tokens in one go, in an empty session
	Generations []int // generation lengths: tgN computes N tokens one by one, from an empty session
	Repetitions int   // of each; the tests take turns
	Progress    func(done, total int, what string)
}

// ModelResult is freehold/bench/1.
type ModelResult struct {
	Schema      string `json:"schema"`
	Model       string `json:"model"`
	Arch        string `json:"arch"`
	Bytes       int64  `json:"bytes"`
	Parameters  int    `json:"parameters"`
	Threads     int    `json:"threads"`
	CPULevel    string `json:"cpu_level"`
	Numeric     string `json:"numeric"`
	KV          string `json:"kv"`
	Repetitions int    `json:"repetitions"`
	Limits      Limits `json:"limits"`
	Tests       []Test `json:"tests"`
}

// Test is one measured speed. Limit names what the machine cannot do faster; LimitTokS is the speed at which the test
// would reach it, and LimitFraction the measured share. Limit is empty where the limit could not be measured.
type Test struct {
	Name          string    `json:"name"`
	Tokens        int       `json:"tokens"`
	TokS          float64   `json:"tok_s"` // median
	TokSMin       float64   `json:"tok_s_min"`
	TokSMax       float64   `json:"tok_s_max"`
	Spread        float64   `json:"spread"` // (max - min) / median
	Limit         string    `json:"limit"`  // "memory", "arithmetic" or ""
	LimitTokS     float64   `json:"limit_tok_s"`
	LimitFraction float64   `json:"limit_fraction"`
	Samples       []float64 `json:"samples"`
}

// Model measures m. Limits are measured in the same rounds as the speeds, so that both see the same machine.
func Model(ctx context.Context, m *engine.Model, o ModelOptions) (*ModelResult, error) {
	if err := o.Check(m); err != nil {
		return nil, err
	}
	f := m.File()
	r := &ModelResult{Schema: "freehold/bench/1", Model: f.Name, Arch: m.Spec.Arch, Bytes: f.Size, Threads: m.Threads(),
		CPULevel: m.Level().Name, Numeric: m.Numeric().String(), KV: m.KV().String(), Repetitions: o.Repetitions}
	for i := range f.Tensors {
		r.Parameters += f.Tensors[i].Elements()
	}
	type job struct {
		n    int
		once func(ctx context.Context, s *engine.Session, tokens []int32) error
	}
	var jobs []job
	for _, n := range o.Prompts {
		r.Tests = append(r.Tests, Test{Name: fmt.Sprintf("pp%d", n), Tokens: n})
		jobs = append(jobs, job{n, prefill})
	}
	for _, n := range o.Generations {
		r.Tests = append(r.Tests, Test{Name: fmt.Sprintf("tg%d", n), Tokens: n})
		jobs = append(jobs, job{n, decode})
	}
	tokens := make([]int32, 1)
	for _, j := range jobs {
		for len(tokens) < j.n { // spread over the vocabulary, the same in every run
			tokens = append(tokens, int32((len(tokens)*7919+13)%m.Spec.Vocab))
		}
	}
	probe := newProber(m.Threads(), min(newWork(m, 1, false).bytes, 1<<30))
	total := (o.Repetitions + 1) * len(jobs)
	for rep := -1; rep < o.Repetitions; rep++ { // the first round warms up
		for i, j := range jobs {
			if o.Progress != nil {
				o.Progress((rep+1)*len(jobs)+i, total, r.Tests[i].Name)
			}
			s := m.NewSession()
			start := time.Now()
			err := j.once(ctx, s, tokens[:j.n])
			seconds := time.Since(start).Seconds()
			s.Close()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Tests[i].Name, err)
			}
			if rep >= 0 {
				r.Tests[i].Samples = append(r.Tests[i].Samples, float64(j.n)/seconds)
			}
		}
		probe.round()
	}
	for range max(0, limitRounds-o.Repetitions-1) {
		probe.round()
	}
	r.Limits = probe.best
	for i := range r.Tests {
		t := &r.Tests[i]
		t.sum()
		t.hold(newWork(m, t.Tokens, i >= len(o.Prompts)), &r.Limits)
	}
	return r, nil
}

// Check refuses options that m cannot be measured with.
func (o *ModelOptions) Check(m *engine.Model) error {
	if o.Repetitions < 1 || o.Repetitions > 1000 {
		return fmt.Errorf("bench: %d repetitions, want 1 to 1000", o.Repetitions)
	}
	if len(o.Prompts)+len(o.Generations) == 0 {
		return fmt.Errorf("bench: nothing to measure; give a prompt or generation length")
	}
	for _, list := range [][]int{o.Prompts, o.Generations} {
		for _, n := range list {
			if n < 1 || n > m.Context() {
				return fmt.Errorf("bench: a length of %d tokens, want 1 to the context of %d", n, m.Context())
			}
		}
	}
	return nil
}

func prefill(ctx context.Context, s *engine.Session, tokens []int32) error {
	return s.Model().EvalBatch(ctx, []engine.Seq{{Session: s, Tokens: tokens, Want: engine.WantLast}})
}

func decode(ctx context.Context, s *engine.Session, tokens []int32) error {
	for i := range tokens {
		if _, err := s.Eval(ctx, tokens[:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// sum computes a test's figures from its samples.
func (t *Test) sum() {
	t.TokS = median(t.Samples)
	t.TokSMin, t.TokSMax = math.Inf(1), 0
	for _, v := range t.Samples {
		t.TokSMin, t.TokSMax = min(t.TokSMin, v), max(t.TokSMax, v)
	}
	t.Spread = (t.TokSMax - t.TokSMin) / t.TokS
}

// hold compares a test with the limits: what it must read and compute takes at least so long.
func (t *Test) hold(w work, l *Limits) {
	if l.ReadGBs == 0 || w.ints > 0 && l.Int8Gops == 0 || w.floats > 0 && l.F32Gflops == 0 {
		return
	}
	memory := float64(w.bytes) / (l.ReadGBs * 1e9)
	arithmetic := 0.0
	if w.ints > 0 {
		arithmetic += w.ints / (l.Int8Gops * 1e9)
	}
	if w.floats > 0 {
		arithmetic += w.floats / (l.F32Gflops * 1e9)
	}
	least := memory
	if t.Limit = "memory"; arithmetic > memory {
		least, t.Limit = arithmetic, "arithmetic"
	}
	t.LimitTokS = float64(t.Tokens) / least
	t.LimitFraction = t.TokS / t.LimitTokS
}

// work is what n tokens cost at least: bytes of weights read, each once a pass, and operations by kind.
type work struct {
	bytes        int
	ints, floats float64
}

// newWork adds up the matrix products and attention of n tokens, computed in one pass or, with alone, one by one.
// Norms, rotations and activations are left out: they are a few operations a value.
func newWork(m *engine.Model, n int, alone bool) work {
	var w work
	spec, rows := m.Spec, float64(n)
	for _, op := range m.Program.Ops {
		switch op.Kind {
		case models.Select:
			if !alone {
				rows = 1 // only the last token goes on
			}
		case models.Attend: // a token meets itself and those before, in its window: two products of HeadDim for each pair
			pairs := float64(n) * float64(n+1) / 2
			if far := float64(n - op.Window); op.Window > 0 && far > 0 {
				pairs -= far * (far + 1) / 2
			}
			w.floats += pairs * float64(op.Heads*spec.HeadDim) * 4
		case models.MatMul:
			if op.Out == m.Program.Class {
				continue
			}
			t, ok := m.File().Tensor(op.W)
			if !ok {
				continue
			}
			share := float64(m.Program.Width[op.Out]) / float64(t.Rows()) // of a tensor that several ops read
			w.bytes += int(share * float64(len(t.Data)))
			ops := 2 * share * float64(t.Elements()) * rows
			if f, ok := quant.ByType(t.Type); ok && !f.Float && m.Numeric() == engine.Normal {
				w.ints += ops
			} else {
				w.floats += ops
			}
		}
	}
	if alone {
		w.bytes *= n
	}
	return w
}
