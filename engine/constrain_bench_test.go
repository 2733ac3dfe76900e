//go:build unix

package engine

import (
	"context"
	"slices"
	"syscall"
	"testing"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// BenchmarkGrammar generates as many tokens freely, within a schema whose grammar is new, and within one that was used before, in turns, on a
// vocabulary of 152 000 tokens. "new/free" and "used/free" are the medians of the ratios of times; 1.05 is what is wanted of both.
// Times are processor times of one thread, so that a busy machine disturbs them little. A mask is made by one thread, so on two it weighs twice as much.
func BenchmarkGrammar(b *testing.B) {
	m := openReal(b, "qwen2.5-coder-0.5b-instruct", WithThreads(1))
	now := func() float64 {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return float64(r.Utime.Nano() + r.Stime.Nano())
	}
	schema := []byte(`{"type": "array", "minItems": 50, "items": {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 40}, "kind": {"enum": ["waste", "housing", "noise"]},
		"n": {"type": "integer", "minimum": 0, "maximum": 999}, "note": {"type": "string"}, "urgent": {"type": "boolean"}}, "required": ["name", "kind", "n", "note", "urgent"], "additionalProperties": false}}`)
	compile := func() *grammar.Grammar {
		g, err := grammar.Schema(schema)
		if err != nil {
			b.Fatal(err)
		}
		return g
	}
	const length = 96
	prompt := m.NewSession()
	tokens := someTokens(m, 60)
	if _, err := prompt.Eval(context.Background(), tokens); err != nil {
		b.Fatal(err)
	}
	run := func(make func() *grammar.Grammar) float64 {
		s := prompt.Fork()
		defer s.Close()
		start := now()
		g := Gen{MaxTokens: length, Grammar: make(), Temperature: 0.7, Seed: 3, Bias: unending(m)}
		if g.Grammar != nil {
			g.Bias = nil
		}
		st := s.Generate(context.Background(), tokens, g)
		if _, err := st.Text(); err != nil {
			b.Fatal(err)
		}
		if _, said := st.Tokens(); len(said) != length {
			b.Fatalf("%d tokens, want %d", len(said), length)
		}
		return now() - start
	}
	free := func() *grammar.Grammar { return nil }
	kept := compile()
	used := func() *grammar.Grammar { return kept }
	run(free)
	run(used)
	var fresh, again []float64
	for b.Loop() {
		f, n, u := run(free), run(compile), run(used)
		f = (f + run(free)) / 2 // before and behind
		fresh, again = append(fresh, n/f), append(again, u/f)
	}
	median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	b.ReportMetric(median(fresh), "new/free")
	b.ReportMetric(median(again), "used/free")
}
