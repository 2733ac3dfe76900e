package peers

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/tiny"
)

// Tolerances of log-probabilities in F32 files: those of the reference logits (llama.cpp reads GELU from a table of f16 values).
const (
	exactTolerance = 1e-4
	geluTolerance  = 2e-2
)

// Every architecture of the tiny models gives llama.cpp's logits, in mode reference and in mode normal.
func TestLlamaArchitectures(t *testing.T) {
	long(t)
	dir := t.TempDir()
	for i := range tiny.Models {
		m := &tiny.Models[i]
		t.Run(m.Name, func(t *testing.T) {
			path := filepath.Join(dir, m.Name+".gguf")
			if err := m.Writer().WriteTo(path); err != nil {
				t.Fatal(err)
			}
			l := startLlama(t, path, settings{Threads: 1, Exact: true})
			for _, mode := range []engine.Numeric{engine.Reference, engine.Normal} {
				sameLogProbs(t, l, path, engine.WithNumeric(mode), engine.WithKV(engine.KVF32))
			}
		})
	}
}

// sameLogProbs compares the log-probabilities after prompts of several lengths.
func sameLogProbs(t *testing.T, l *llama, path string, opts ...engine.Option) {
	t.Helper()
	m, err := engine.Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tolerance := exactTolerance
	if m.Spec.Act == models.GELUGate || m.Spec.Act == models.GELUOnly {
		tolerance = geluTolerance
	}
	s := m.NewSession()
	defer s.Close()
	prompt := make([]int32, 300) // more than a page of the KV cache
	for i := range prompt {
		prompt[i] = int32((i*i*7 + 3*i + 1) % (m.Spec.Vocab - 1))
	}
	worst, lowest, highest := 0.0, 0.0, math.Inf(-1)
	for _, n := range []int{1, 2, 9, 41, 300} {
		want := l.logProbs(prompt[:n], m.Spec.Vocab)
		got, err := s.Eval(context.Background(), prompt[:n])
		if err != nil {
			t.Fatal(err)
		}
		norm := logSum(got)
		for i, w := range want {
			worst = math.Max(worst, math.Abs(float64(got[i])-norm-w))
			lowest, highest = math.Min(lowest, w), math.Max(highest, w)
		}
	}
	t.Logf("mode %v: log-probabilities from %.1f to %.1f differ by at most %.2g (tolerance %g)", m.Numeric(), lowest, highest, worst, tolerance)
	if !(worst <= tolerance) {
		t.Errorf("mode %v: log-probabilities differ from llama.cpp's by up to %g, want at most %g", m.Numeric(), worst, tolerance)
	}
	if highest-lowest < 2 {
		t.Errorf("the log-probabilities lie between %g and %g; the test says little", lowest, highest)
	}
}

func logSum(x []float32) float64 {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = math.Max(most, float64(v))
	}
	for _, v := range x {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}
