// Package bench answers how fast: it measures models against what the machine can do at most, measured in the same
// run.
package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/freehold-slm/freehold/distill/energy"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

// ModelOptions say what is measured. Each prompt and generation length is measured in each depth, each generation
// length in each batch too.
type ModelOptions struct {
	Prompts     []int // prompt lengths: ppN computes N tokens in one go
	Generations []int // generation lengths: tgN computes N tokens one by one
	Depths      []int // tokens that a session holds before; none = 0
	Batches     []int // sequences that generate together; none = 1
	Repetitions int   // of each; the tests take turns
	ReadBytes   int   // what the read bandwidth is measured over; 0 = ReadBytes
	Load        bool  // time loading and the first token too
	Peers       []*Peer
	Meter       func() (*energy.Meter, error) // opens what measures energy; nil = the kernel's counters
	Prices      energy.Prices
	Progress    func(done, total int, what string)
}

// ModelResult is freehold/bench/1.
type ModelResult struct {
	Schema      string    `json:"schema"`
	Model       string    `json:"model"`
	Arch        string    `json:"arch"`
	Bytes       int64     `json:"bytes"`
	Parameters  int       `json:"parameters"`
	Threads     int       `json:"threads"`
	CPU         string    `json:"cpu"`
	L3Bytes     int       `json:"l3_bytes"` // 0 = unknown
	CPULevel    string    `json:"cpu_level"`
	Numeric     string    `json:"numeric"`
	KV          string    `json:"kv"`
	FastUnit    string    `json:"fast_unit,omitempty"` // what mode fast computes products of float weights with; none = as normal
	Repetitions int       `json:"repetitions"`
	Load        []float64 `json:"load_average"` // of one minute, before and after; empty = unknown
	Limits      Limits    `json:"limits"`
	Startup     *Startup  `json:"startup,omitempty"`
	Energy      Energy    `json:"energy"`
	Tests       []Test    `json:"tests"`
	Laws        []Law     `json:"laws,omitempty"` // where there are tests enough
}

// Test is one measured speed. Limit names what the machine cannot do faster; LimitTokS is the speed at which the test
// would reach it, and LimitFraction the measured share. Limit is empty where the limit could not be measured.
type Test struct {
	Name string `json:"name"` // as llama-bench has it: pp512, tg128, tg128 @ d2048; batched: tg128 @ b4
	shape
	TokS          float64   `json:"tok_s"` // median, of all sequences together
	TokSMin       float64   `json:"tok_s_min"`
	TokSMax       float64   `json:"tok_s_max"`
	Spread        float64   `json:"spread"` // (max - min) / median
	GBs           float64   `json:"gb_s"`   // 10⁹ bytes of weights, and of the cache while generating, a second
	Gops          float64   `json:"gop_s"`  // 10⁹ operations of products a second
	Limit         string    `json:"limit"`  // "memory", "arithmetic" or ""
	LimitTokS     float64   `json:"limit_tok_s"`
	LimitFraction float64   `json:"limit_fraction"`
	Samples       []float64 `json:"samples"`

	Joules []float64    `json:"joules,omitempty"` // of the machine a token, by sample
	JTok   *float64     `json:"j_tok"`            // median of them; null = unknown, and energy says why
	Cost   *energy.Cost `json:"cost,omitempty"`   // of a million tokens; where a price was given

	Peers []Versus `json:"peers,omitempty"`
}

// Energy says what joules were measured with, or why they were not, and the prices that costs were reckoned with.
type Energy struct {
	Counters []string      `json:"counters,omitempty"`
	Why      string        `json:"why,omitempty"`
	Prices   energy.Prices `json:"prices"`
}

// tests lists what o asks for.
func (o *ModelOptions) tests() []Test {
	var all []Test
	add := func(kind string, s shape) {
		name := fmt.Sprintf("%s%d", kind, s.Tokens)
		if s.Depth > 0 {
			name += fmt.Sprintf(" @ d%d", s.Depth)
		}
		if s.Batch > 1 {
			name += fmt.Sprintf(" @ b%d", s.Batch)
		}
		all = append(all, Test{Name: name, shape: s})
	}
	for _, depth := range orElse(o.Depths, 0) {
		for _, n := range o.Prompts {
			add("pp", shape{n, 1, depth, false})
		}
		for _, batch := range orElse(o.Batches, 1) {
			for _, n := range o.Generations {
				add("tg", shape{n, batch, depth, true})
			}
		}
	}
	return all
}

func orElse(list []int, one int) []int {
	if len(list) == 0 {
		return []int{one}
	}
	return list
}

// Model measures m. Limits are measured in the same rounds as the speeds, so that both see the same machine.
func Model(ctx context.Context, m *engine.Model, o ModelOptions) (*ModelResult, error) {
	if err := o.Check(m); err != nil {
		return nil, err
	}
	f, machine := m.File(), ThisMachine()
	r := &ModelResult{Schema: "freehold/bench/1", Model: f.Name, Arch: m.Spec.Arch, Bytes: f.Size, Threads: m.Threads(), CPU: machine.CPU, L3Bytes: machine.L3Bytes,
		CPULevel: m.Level().Name, Numeric: m.Numeric().String(), KV: m.KV().String(), FastUnit: m.FastUnit(), Repetitions: o.Repetitions, Tests: o.tests(), Load: LoadAverage()}
	for i := range f.Tensors {
		r.Parameters += f.Tensors[i].Elements()
	}
	if o.ReadBytes == 0 {
		o.ReadBytes = ReadBytes
	}
	probe, err := newProber(m.Threads(), o.ReadBytes)
	if err != nil {
		return nil, err
	}
	defer probe.close()
	peers, err := startPeers(ctx, o.Peers, m, r.Tests)
	if err != nil {
		return nil, err
	}
	defer peers.close()
	r.Energy.Prices = o.Prices
	if o.Meter == nil {
		o.Meter = func() (*energy.Meter, error) { return energy.Open("") }
	}
	meter, err := o.Meter()
	if err != nil {
		r.Energy.Why = err.Error()
	} else {
		defer meter.Close()
		r.Energy.Counters = meter.Counters()
	}
	total := (o.Repetitions + 1) * len(r.Tests)
	runs := make([]*run, len(r.Tests))
	defer func() {
		for _, x := range runs {
			x.close()
		}
	}()
	for rep := -1; rep < o.Repetitions; rep++ { // the first round warms up
		for i := range r.Tests {
			t := &r.Tests[i]
			if o.Progress != nil {
				o.Progress((rep+1)*len(r.Tests)+i, total, t.Name)
			}
			if runs[i] == nil {
				if runs[i], err = newRun(ctx, m, t.shape); err != nil {
					return nil, fmt.Errorf("%s: %w", t.Name, err)
				}
			}
			ours := func() error {
				var seconds float64
				joules, err := meter.Of(func() (err error) { seconds, err = runs[i].once(ctx); return err })
				if err == nil && rep >= 0 {
					t.Samples = append(t.Samples, float64(t.total())/seconds)
					if joules != nil {
						t.Joules = append(t.Joules, *joules/float64(t.total()))
					}
				}
				return err
			}
			theirs := func() error { return peers.measure(ctx, t, rep < 0) }
			first, second := ours, theirs
			if rep&1 == 1 { // who goes first takes turns
				first, second = theirs, ours
			}
			if err = first(); err == nil {
				err = second()
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.Name, err)
			}
			probe.round()
		}
	}
	for range max(0, limitRounds-total) {
		probe.round()
	}
	if o.Load {
		if r.Startup, err = measureStartup(ctx, m, o.Repetitions); err != nil {
			return nil, err
		}
	}
	r.Limits = probe.limits()
	for i := range r.Tests {
		t := &r.Tests[i]
		t.sum()
		if len(t.Joules) == len(t.Samples) {
			each := stats.Median(t.Joules)
			t.JTok = &each
		} else if r.Energy.Why == "" {
			r.Energy.Why = "the counters did not move while " + t.Name + " was computed"
		}
		if o.Prices.Given() {
			c := o.Prices.PerMillion(t.TokS, t.JTok)
			t.Cost = &c
		}
		for j := range t.Peers {
			t.Peers[j].sum(t.Samples)
		}
		t.hold(newWork(m, t.shape), &r.Limits)
	}
	r.Laws = laws(r.Tests)
	r.Load = append(r.Load, LoadAverage()...)
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
			for _, d := range orElse(o.Depths, 0) {
				if d < 0 || n < 1 || n > m.Context()-d {
					return fmt.Errorf("bench: a length of %d tokens at a depth of %d, want 1 token or more and together at most the context of %d", n, d, m.Context())
				}
			}
		}
	}
	for _, b := range o.Batches {
		if b < 1 || b > 256 {
			return fmt.Errorf("bench: a batch of %d sequences, want 1 to 256", b)
		}
	}
	if o.ReadBytes < 0 {
		return fmt.Errorf("bench: reading %d bytes", o.ReadBytes)
	}
	return nil
}

// run is a test made ready: its sessions hold the depth.
type run struct {
	shape
	m        *engine.Model
	sessions []*engine.Session
	seqs     []engine.Seq
	tokens   []int32 // depth, then what is computed
}

// spread is n tokens from all over the vocabulary, the same in every run.
func spread(m *engine.Model, n int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(((i+1)*7919 + 13) % m.Spec.Vocab)
	}
	return tokens
}

func newRun(ctx context.Context, m *engine.Model, s shape) (*run, error) {
	r := &run{shape: s, m: m, seqs: make([]engine.Seq, s.Batch), tokens: spread(m, s.Depth+s.Tokens)}
	for range s.Batch {
		x := m.NewSession()
		r.sessions = append(r.sessions, x)
		if s.Depth == 0 {
			continue
		}
		if err := m.EvalBatch(ctx, []engine.Seq{{Session: x, Tokens: r.tokens[:s.Depth]}}); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

// once computes the tokens and returns the seconds it took; the sessions hold the depth alone afterwards.
func (r *run) once(ctx context.Context) (float64, error) {
	step := r.tokens[r.Depth:]
	if r.alone {
		step = step[:1]
	}
	start := time.Now()
	for at := r.Depth; at < len(r.tokens); at += len(step) {
		for i, s := range r.sessions {
			r.seqs[i] = engine.Seq{Session: s, Tokens: r.tokens[at : at+len(step)], Want: engine.WantLast}
		}
		if err := r.m.EvalBatch(ctx, r.seqs); err != nil {
			return 0, err
		}
	}
	seconds := time.Since(start).Seconds()
	for _, s := range r.sessions {
		s.Truncate(r.Depth)
	}
	return seconds, nil
}

func (r *run) close() {
	if r == nil {
		return
	}
	for _, s := range r.sessions {
		s.Close()
	}
}

// sum computes a test's figures from its samples.
func (t *Test) sum() {
	t.TokS = stats.Median(t.Samples)
	t.TokSMin, t.TokSMax = math.Inf(1), 0
	for _, v := range t.Samples {
		t.TokSMin, t.TokSMax = min(t.TokSMin, v), max(t.TokSMax, v)
	}
	t.Spread = (t.TokSMax - t.TokSMin) / t.TokS
}

// hold compares a test with the limits: what it must read and compute takes at least so long.
func (t *Test) hold(w work, l *Limits) {
	seconds := float64(t.total()) / t.TokS
	t.GBs, t.Gops = float64(w.bytes)/seconds/1e9, (w.ints+w.floats)/seconds/1e9
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
	t.LimitTokS = float64(t.total()) / least
	t.LimitFraction = t.TokS / t.LimitTokS
}
