package bench

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/energy"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

func openTiny(t *testing.T, opts ...engine.Option) *engine.Model {
	t.Helper()
	m, err := engine.Open(filepath.Join("..", "testdata", "models", "llama256.Q8_0.gguf"), append(opts, engine.WithThreads(2))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestModel(t *testing.T) {
	m := openTiny(t)
	calls := 0
	r, err := Model(t.Context(), m, ModelOptions{Prompts: []int{16, 33}, Generations: []int{9}, Repetitions: 3, ReadBytes: 1 << 19, Progress: func(int, int, string) { calls++ }})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tests) != 3 || r.Tests[0].Name != "pp16" || r.Tests[1].Name != "pp33" || r.Tests[2].Name != "tg9" || calls != 12 {
		t.Errorf("tests %+v, %d progress calls", r.Tests, calls)
	}
	l := r.Limits
	if !(l.ReadGBs > 0.1 && l.ReadGBs < 1e4) || l.Threads != 2 {
		t.Errorf("limits %+v", l)
	}
	for _, x := range r.Tests {
		if len(x.Samples) != 3 || !(x.TokSMin > 0 && x.TokSMin <= x.TokS && x.TokS <= x.TokSMax) || x.TokS != stats.Median(x.Samples) {
			t.Errorf("%+v", x)
		}
		if x.Limit != "" && math.Abs(x.LimitFraction*x.LimitTokS/x.TokS-1) > 1e-9 {
			t.Errorf("fraction %v of %v is not %v", x.LimitFraction, x.LimitTokS, x.TokS)
		}
		// A measured speed above what the machine can do means that the work is counted wrong.
		if x.LimitFraction > 1.1 {
			t.Errorf("%s reaches %.2f of its limit", x.Name, x.LimitFraction)
		}
	}
}

// Joules a token and costs are those of the meter and the prices; without a meter there are none, and the reason is said.
func TestModelEnergy(t *testing.T) {
	m := openTiny(t)
	n, hour, kwh := 0.0, 0.9, 0.3
	o := ModelOptions{Prompts: []int{16}, Generations: []int{8}, Repetitions: 2, ReadBytes: 1 << 19, Prices: energy.Prices{Hour: &hour, KWh: &kwh},
		Meter: func() (*energy.Meter, error) {
			return energy.NewMeter([]string{"package-0"}, func() (float64, error) { n += 4; return n, nil }), nil
		}}
	r, err := Model(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{4. / 16, 4. / 8} { // 4 J between two readings
		x := r.Tests[i]
		if x.JTok == nil || *x.JTok != want || len(x.Joules) != 2 || math.Abs(*x.Cost.Energy/(want/3.6*kwh)-1) > 1e-9 || math.Abs(*x.Cost.Hour/(hour/3600*1e6/x.TokS)-1) > 1e-9 {
			t.Errorf("%s: %v J a token, %+v", x.Name, x.JTok, x.Cost)
		}
	}
	if r.Energy.Why != "" || len(r.Energy.Counters) != 1 {
		t.Errorf("%+v", r.Energy)
	}
	o.Meter, o.Prices.Hour = func() (*energy.Meter, error) { return energy.Open(t.TempDir()) }, nil
	if r, err = Model(t.Context(), m, o); err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Tests {
		if x.JTok != nil || x.Joules != nil || x.Cost == nil || x.Cost.Hour != nil || x.Cost.Energy != nil {
			t.Errorf("%+v", x)
		}
	}
	if !strings.Contains(r.Energy.Why, "no counter of a package") {
		t.Errorf("%+v", r.Energy)
	}
	o.Meter = func() (*energy.Meter, error) {
		return energy.NewMeter([]string{"still"}, func() (float64, error) { return 7, nil }), nil
	}
	if r, err = Model(t.Context(), m, o); err != nil || r.Tests[0].JTok != nil || !strings.Contains(r.Energy.Why, "did not move") {
		t.Errorf("%v %+v", err, r.Energy)
	}
}

// The work is that of the program's matrices, counted by hand here.
func TestWork(t *testing.T) {
	m := openTiny(t)
	s := m.Spec
	dim, kv, ffn, vocab, layers := float64(s.Dim), float64(s.KVHeads*s.HeadDim), float64(s.FFN), float64(s.Vocab), float64(s.Layers)
	q := float64(s.Heads * s.HeadDim)
	inputs := dim * (q + 2*kv)
	rest := q*dim + 3*dim*ffn
	bytes := 0
	for i := range m.File().Tensors {
		x := &m.File().Tensors[i]
		if len(x.Shape) == 2 && x.Name != "token_embd.weight" {
			bytes += len(x.Data)
		}
	}
	if s.Tied {
		t.Fatal("the test wants a model with a head of its own")
	}
	n := 10.0
	attention := layers * n * (n + 1) / 2 * q * 4
	together := newWork(m, shape{10, 1, 0, false})
	// after the last attention only the last token goes on
	if want := 2 * (layers*n*inputs + (layers-1)*n*rest + rest + dim*vocab); together.ints != want {
		t.Errorf("a prompt of 10: %v integer operations, want %v", together.ints, want)
	}
	if together.floats != attention || together.bytes != bytes {
		t.Errorf("a prompt of 10: %v float operations, %d bytes, want %v, %d", together.floats, together.bytes, attention, bytes)
	}
	alone := newWork(m, shape{10, 1, 0, true})
	cache := int(layers * n * (n + 1) / 2 * 2 * kv * 2) // keys and values as f16
	if want := 2 * n * (layers*(inputs+rest) + dim*vocab); alone.ints != want || alone.bytes != 10*bytes+cache || alone.floats != attention {
		t.Errorf("10 alone: %+v, want %v integer operations, %d bytes", alone, want, 10*bytes+cache)
	}
	ref := newWork(openTiny(t, engine.WithNumeric(engine.Reference)), shape{10, 1, 0, false})
	if ref.ints != 0 || ref.floats != attention+together.ints {
		t.Errorf("mode reference: %+v", ref)
	}
}

// Of a model's experts a token alone reads those it uses, and a prompt all.
func TestWorkExperts(t *testing.T) {
	m, err := engine.Open(filepath.Join("..", "testdata", "models", "llama-moe.Q4_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	experts := 0
	for i := range m.File().Tensors {
		if x := &m.File().Tensors[i]; len(x.Shape) == 3 {
			experts += len(x.Data)
		}
	}
	s := m.Spec
	one, alone, all := newWork(m, shape{1, 1, 0, false}), newWork(m, shape{10, 1, 0, true}), newWork(m, shape{10, 1, 0, false})
	unused := experts / s.Experts * (s.Experts - s.TopExperts) * (s.Layers - 1) / s.Layers // in the last layer only the last token goes on
	if all.bytes-one.bytes != unused || unused == 0 {
		t.Errorf("a prompt of 10 reads %d bytes, a token %d: want %d more", all.bytes, one.bytes, unused)
	}
	cache := int(float64(s.Layers) * 10 * 11 / 2 * float64(4*s.KVHeads*s.HeadDim))
	if want := 10*(one.bytes) + cache; alone.bytes != want {
		t.Errorf("10 alone read %d bytes, want %d", alone.bytes, want)
	}
	block := float64(s.TopExperts * 3 * s.Dim * s.ExpertFFN)
	att := float64(s.Dim * (2*s.Heads*s.HeadDim + 2*s.KVHeads*s.HeadDim))
	if want := 2 * (float64(s.Layers)*(block+att) + float64(s.Dim*s.Vocab)); one.ints != want {
		t.Errorf("a token is %v integer operations, want %v", one.ints, want)
	}
}

func TestHold(t *testing.T) {
	l := Limits{ReadGBs: 10, Int8Gops: 1000, F32Gflops: 100}
	memory := Test{shape: shape{Tokens: 1, Batch: 1}, TokS: 50}
	memory.hold(work{bytes: 1e8, ints: 1e9, floats: 1e8}, &l) // 10 ms to read, 2 ms to compute
	if memory.Limit != "memory" || memory.LimitTokS != 100 || memory.LimitFraction != 0.5 {
		t.Errorf("%+v", memory)
	}
	sums := Test{shape: shape{Tokens: 512, Batch: 1}, TokS: 512}
	sums.hold(work{bytes: 1e8, ints: 4e11, floats: 1e10}, &l) // 10 ms to read, 500 ms to compute
	if sums.Limit != "arithmetic" || math.Abs(sums.LimitFraction-0.5) > 1e-12 {
		t.Errorf("%+v", sums)
	}
	unknown := Test{shape: shape{Tokens: 1, Batch: 1}, TokS: 50}
	unknown.hold(work{bytes: 1, ints: 1}, &Limits{ReadGBs: 1})
	if unknown.Limit != "" || unknown.LimitFraction != 0 {
		t.Errorf("an unknown peak, but %+v", unknown)
	}
}

func TestModelRefuses(t *testing.T) {
	m := openTiny(t)
	for _, o := range []ModelOptions{{}, {Prompts: []int{8}}, {Repetitions: 1}, {Prompts: []int{0}, Repetitions: 1}, {Prompts: []int{8}, Depths: []int{-1}, Repetitions: 1},
		{Prompts: []int{8}, Depths: []int{m.Context() - 7}, Repetitions: 1}, {Generations: []int{8}, Batches: []int{0}, Repetitions: 1}, {Generations: []int{m.Context() + 1}, Repetitions: 1}} {
		if _, err := Model(t.Context(), m, o); err == nil || !strings.HasPrefix(err.Error(), "bench: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Model(ctx, m, ModelOptions{Prompts: []int{8}, Repetitions: 1}); err == nil {
		t.Error("a cancelled measurement gave a result")
	}
}

// The probes find kernels wherever the level that runs models has them.
func TestLimits(t *testing.T) {
	l, err := MeasureLimits(1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	best, err := kernels.Best()
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(best.Name, "avx512") && (l.Int8Gops <= l.F32Gflops || l.F32Gflops <= 1) {
		t.Errorf("%s: %+v", best.Name, l)
	}
	if l.ReadBytes != 1<<20 || l.ReadGBs <= 0 {
		t.Errorf("%+v", l)
	}
}

func TestMeminfo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(path, []byte("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\nbad\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if total, free := meminfo(path); total != 2<<20 || free != 1<<20 {
		t.Errorf("%d, %d", total, free)
	}
	if total, free := meminfo(path + ".gone"); total != 0 || free != 0 {
		t.Errorf("%d, %d of no file", total, free)
	}
}
