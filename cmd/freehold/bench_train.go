package main

import (
	"encoding/csv"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/bench"
	"github.com/freehold-slm/freehold/distill"
)

// trainFlags are those of bench --train.
type trainFlags struct {
	Train     string `help:"Measure training instead: optimiser steps of this shape (s25, smol135) on random data." placeholder:"SHAPE"`
	Loss      string `enum:"ce,mixed_topk,forward_kl" default:"ce" help:"With --train: ce, mixed_topk (ce and 64 teacher logits) or forward_kl (all of them)."`
	Precision string `enum:"f32,bf16" default:"f32" help:"With --train: of the matrix products, f32 or bf16."`
	Rank      int    `default:"0" help:"With --train: rank of LoRA adapters; 0 = all weights learn."`
	Recompute bool   `help:"With --train: values inside a layer are computed twice instead of kept."`
}

// benchTrain measures training, against PyTorch with --vs pytorch or pytorch-compiled (=PATH).
func (c *benchCmd) benchTrain(a *app) error {
	level, err := c.level()
	if err != nil {
		return err
	}
	if c.Output == "gobench" {
		return usagef("bench --train gives md, json or csv, not %s", c.Output)
	}
	if len(c.What) > 0 {
		return usagef("bench --train %s takes no model, got %q", c.Train, c.What[0])
	}
	threads := c.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	o := bench.TrainOptions{Workload: distill.Workload{Shape: c.Train, Loss: c.Loss, BF16: c.Precision == "bf16", Rank: c.Rank, Recompute: c.Recompute,
		Threads: threads, Level: level}, Repetitions: c.Repetitions, Progress: func(done, total int) {
		a.progress.show(fmt.Sprintf("bench  step %d/%d", done, total), false)
	}}
	if len(c.Vs) > 1 {
		return usagef("--train is measured against one --vs at a time, got %d", len(c.Vs))
	}
	for _, v := range c.Vs {
		name, path, _ := strings.Cut(v, "=")
		if name != "pytorch" && name != "pytorch-compiled" {
			return usagef("--train --vs %s: want pytorch or pytorch-compiled, with =PATH of a folder of Python packages or as make bench-train-peers installs it", v)
		}
		if o.Compiled = name == "pytorch-compiled"; path == "" {
			if path, err = bench.TorchPackages(); err != nil {
				return usagef("--vs: %s", errorText(err))
			}
		}
		o.Torch = path
	}
	r, err := bench.Train(a.ctx, o)
	if err != nil {
		return err
	}
	a.progress.clear()
	switch {
	case a.json || c.Output == "json":
		return a.emit(r)
	case c.Output == "csv":
		return benchTrainCSV(a, r)
	}
	a.write("%s, %s, %s, LoRA rank %d, recompute %v; %d tokens a step; %s, %d threads, %s\n\n", r.Shape, r.Loss, r.Precision, r.Rank, r.Recompute, r.StepTokens, r.CPULevel, r.Threads, r.CPU)
	rows := [][]string{{"| ", "| tok/s", "| ratio [95 %]", "| GFLOP/s", "| of peak", "| memory at most |"}, {"| ---", "| ---:", "| ---", "| ---:", "| ---:", "| ---: |"}}
	rows = append(rows, []string{"| freehold", fmt.Sprintf("| %.0f", r.TokS), "| ", fmt.Sprintf("| %.0f", r.Gflops), fmt.Sprintf("| %.0f %% of %.0f", 100*r.OfPeak, r.Peak), "| " + size(r.MemoryPeak) + " |"})
	if v := r.Torch; v != nil {
		rows = append(rows, []string{"| " + v.Peer, fmt.Sprintf("| %.0f", v.TokS), fmt.Sprintf("| %.2f [%.2f, %.2f]", v.Ratio, v.RatioLo, v.RatioHi), "| ", "| ", "| " + size(v.MemoryPeak) + " |"})
		a.write("against %s\n\n", v.Build)
	}
	a.columns(rows)
	return nil
}

// benchTrainCSV writes one case; those that make bench-train-peers prints come first.
func benchTrainCSV(a *app, r *bench.TrainResult) error {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	precision, unit, _ := strings.Cut(strings.TrimSuffix(r.Precision, ")"), " (")
	row := []string{r.Shape, r.Loss, precision, strconv.Itoa(r.Rank), "", number(r.TokS), "", "", "", "", number(r.OfPeak), strconv.FormatInt(r.MemoryPeak, 10), "", "", "",
		strconv.FormatBool(r.Recompute), strconv.Itoa(r.Repetitions), strconv.Itoa(r.StepTokens), strconv.Itoa(r.Threads), r.CPULevel, unit, number(r.Gflops), number(r.Peak), "", r.CPU}
	if v := r.Torch; v != nil {
		row[4], row[6], row[7], row[8], row[9], row[12], row[23] = v.Peer, number(v.TokS), number(v.Ratio), number(v.RatioLo), number(v.RatioHi), strconv.FormatInt(v.MemoryPeak, 10), v.Build
	}
	for i, v := range r.Load {
		row[13+i] = number(v)
	}
	return csv.NewWriter(a.out).WriteAll([][]string{{"shape", "loss", "precision", "lora_rank", "peer", "tok_s", "peer_tok_s", "ratio", "ratio_lo", "ratio_hi", "of_peak", "memory_peak", "peer_memory_peak",
		"load_before", "load_after", "recompute", "repetitions", "step_tokens", "threads", "cpu_level", "bf16_unit", "gflops", "peak_gflops", "peer_build", "cpu"}, row})
}
