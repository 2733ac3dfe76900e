package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkStreams generates texts side by side and, in turns, decodes the same ones as a batch by hand, with the sampling on two
// goroutines, and one alone. "of-hand" is the median of the ratios of rates to the batch by hand, "times-one" to one at a
// time, "rows/pass" how many texts met.
func BenchmarkStreams(b *testing.B) {
	const n, length = 16, 24
	for _, name := range []string{"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"} {
		for _, temperature := range []float64{0, 0.8} {
			b.Run(fmt.Sprintf("%s/%v", name, temperature), func(b *testing.B) {
				m := openReal(b, name)
				r := &race{b: b, m: m, gen: Gen{MaxTokens: length, Temperature: temperature, Bias: unending(m)}}
				r.prepare(n)
				r.streams(n)
				r.hand(n, length)
				var hand, one []float64
				var rows, passes uint64
				for b.Loop() {
					h := r.hand(n, length)
					before := m.Load()
					s := r.streams(n)
					after := m.Load()
					rows, passes = rows+after.Rows-before.Rows, passes+after.Passes-before.Passes
					o := r.streams(1)
					hand, one = append(hand, h.Seconds()/s.Seconds()), append(one, n*o.Seconds()/s.Seconds())
				}
				median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
				b.ReportMetric(median(hand), "of-hand")
				b.ReportMetric(median(one), "times-one")
				b.ReportMetric(float64(rows)/float64(passes), "rows/pass")
			})
		}
	}
}

// race is texts to go on from.
type race struct {
	b    *testing.B
	m    *Model
	gen  Gen
	base []*Session
}

func (r *race) prepare(n int) {
	for i := range n {
		s := r.m.NewSession()
		if _, err := s.Eval(context.Background(), someTokens(r.m, 40+i)); err != nil {
			r.b.Fatal(err)
		}
		r.base = append(r.base, s)
	}
}

// streams generates n texts, each in a goroutine.
func (r *race) streams(n int) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			s := r.base[i].Fork()
			defer s.Close()
			g := r.gen
			g.Seed = uint64(i)
			if _, err := s.Generate(context.Background(), s.Tokens(), g).Text(); err != nil {
				r.b.Error(err)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// hand does it by one EvalBatch after another.
func (r *race) hand(n, length int) time.Duration {
	start := time.Now()
	seqs, pick, text := make([]Seq, n), make([]sampler, n), make([][]int32, n)
	for i := range seqs {
		seqs[i], pick[i] = Seq{r.base[i].Fork(), nil, WantLast}, sampler{l: r.m.level}
		text[i] = slices.Clone(r.base[i].Tokens())
		defer seqs[i].Session.Close()
	}
	for t := range length {
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				for i := w; i < n; i += 2 {
					g := r.gen
					g.Seed = uint64(i)
					id, err := pick[i].pick(seqs[i].Session.Logits(), &g, text[i], len(r.base[i].Tokens()))
					if err != nil {
						r.b.Error(err)
					}
					text[i] = append(text[i], id)
					seqs[i].Tokens = text[i][len(text[i])-1:]
				}
			})
		}
		if wg.Wait(); t < length-1 {
			if err := r.m.EvalBatch(context.Background(), seqs); err != nil {
				r.b.Fatal(err)
			}
		}
	}
	return time.Since(start)
}
