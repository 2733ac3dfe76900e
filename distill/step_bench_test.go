package distill

import (
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkStep times optimiser steps on all cores, as freehold bench --train does.
func BenchmarkStep(b *testing.B) {
	for _, s := range Workloads {
		for _, bf16 := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/bf16=%v", s.Name, bf16), func(b *testing.B) {
				w, err := Workload{Shape: s.Name, Loss: "ce", BF16: bf16, Threads: runtime.NumCPU(), Level: best(b)}.Prepare()
				if err != nil {
					b.Skip(err)
				}
				defer w.Close()
				w.Step()
				for b.Loop() {
					w.Step()
				}
				seconds := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(float64(w.Tokens)/seconds, "tokens/s")
				b.ReportMetric(w.Flops/seconds/1e9, "GFLOP/s")
			})
		}
	}
}
