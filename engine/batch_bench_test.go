package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkBatch decodes one token of 1 sequence and, in turns, one token of each of n, so that both meet the same
// machine. "times-single" is the median of the ratios of their rates: n where sequences cost nothing beside the first.
func BenchmarkBatch(b *testing.B) {
	for _, name := range []string{"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"} {
		for _, n := range []int{2, 4, 8, 16, 32} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				m := openReal(b, name)
				decode := func(n int) func() time.Duration {
					seqs := make([]Seq, n)
					for i := range seqs {
						seqs[i] = Seq{m.NewSession(), someTokens(m, 64+i), WantLast}
					}
					return func() time.Duration {
						start := time.Now()
						if err := m.EvalBatch(context.Background(), seqs); err != nil {
							b.Fatal(err)
						}
						d := time.Since(start)
						for i := range seqs {
							if s := seqs[i].Session; s.Len() > 128 {
								s.Truncate(64)
							}
							seqs[i].Tokens = []int32{int32(i)}
						}
						return d
					}
				}
				one, many := decode(1), decode(n)
				one()
				many()
				var ratios, singles, alls []float64
				for b.Loop() {
					s, a := one(), many()
					ratios = append(ratios, float64(n)*s.Seconds()/a.Seconds())
					singles, alls = append(singles, 1/s.Seconds()), append(alls, float64(n)/a.Seconds())
				}
				median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
				b.ReportMetric(median(ratios), "times-single")
				b.ReportMetric(median(singles), "single-tok/s")
				b.ReportMetric(median(alls), "tok/s")
			})
		}
	}
}
