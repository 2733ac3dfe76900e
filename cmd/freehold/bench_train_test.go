package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/bench"
)

// A line of CSV has every figure under its name, and those that make bench-train-peers prints are where it looks for them.
func TestBenchTrainCSV(t *testing.T) {
	r := &bench.TrainResult{Shape: "s25", Loss: "ce", Precision: "bf16 (amx)", Rank: 16, TokS: 300, Gflops: 500, Peak: 1000, OfPeak: 0.5, MemoryPeak: 2e9, Load: []float64{0.5, 1.5},
		Repetitions: 5, StepTokens: 2048, Threads: 2, CPU: "a CPU", CPULevel: "amx",
		Torch: &bench.TrainVersus{Versus: bench.Versus{Peer: "pytorch compiled", Build: "PyTorch 2, compiled whole", TokS: 200, Ratio: 1.5, RatioLo: 1.25, RatioHi: 1.75}, MemoryPeak: 3e9}}
	var out bytes.Buffer
	a := &app{out: bufio.NewWriter(&out)}
	if err := errors.Join(benchTrainCSV(a, r), a.out.Flush()); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%q (%v)", rows, err)
	}
	got := map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[1][i]
	}
	for name, want := range map[string]string{"precision": "bf16", "bf16_unit": "amx", "lora_rank": "16", "peer": "pytorch compiled", "tok_s": "300", "peer_tok_s": "200", "ratio": "1.5", "ratio_lo": "1.25",
		"ratio_hi": "1.75", "of_peak": "0.5", "memory_peak": "2000000000", "peer_memory_peak": "3000000000", "load_before": "0.5", "load_after": "1.5", "recompute": "false", "repetitions": "5",
		"step_tokens": "2048", "threads": "2", "cpu_level": "amx", "gflops": "500", "peak_gflops": "1000", "peer_build": "PyTorch 2, compiled whole", "cpu": "a CPU"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	// The Makefile takes columns by number, and knows no quotes.
	b, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`printf "\| %s %s %s%s .*`).FindString(string(b))
	if strings.Contains(strings.Join(rows[1][:15], ""), ",") || !strings.Contains(line, `$$8, $$9, $$10, $$6, $$7, 100 * $$11, $$12 / 1e9, $$13 / 1e9, $$14, $$15`) ||
		strings.Join(rows[0][:15], " ") != "shape loss precision lora_rank peer tok_s peer_tok_s ratio ratio_lo ratio_hi of_peak memory_peak peer_memory_peak load_before load_after" {
		t.Errorf("the first columns are %q, the Makefile prints %s", rows[0][:15], line)
	}
}
