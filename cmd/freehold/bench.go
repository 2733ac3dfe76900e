package main

import (
	"fmt"

	"github.com/freehold-slm/freehold/bench"
)

type benchCmd struct {
	What []string `arg:"" optional:"" complete:"model" help:"GGUF file or catalogue name; or: compare A.json B.json, two results of bench --json." placeholder:"MODEL"`
	modelFlags
	trainFlags
	priceFlags
	Prompt      []int    `short:"p" default:"512" help:"Prompt lengths; 0 = none."`
	Generate    []int    `short:"n" default:"128" help:"Generation lengths; 0 = none."`
	Batch       []int    `short:"b" default:"1" help:"Sequences that generate together."`
	Depth       []int    `short:"d" default:"0" help:"Tokens that a session holds before."`
	Repetitions int      `short:"r" default:"5" help:"How often each is measured."`
	Vs          []string `sep:"none" help:"Measure another engine in turn (llama.cpp, ik_llama.cpp, openvino): NAME=PATH of its llama-bench program or of a folder of its Python packages, or NAME as make bench-peers installs it." placeholder:"NAME=PATH"`
	ReadSize    int      `default:"512" help:"MiB that the read bandwidth is measured over; where caches hold as much, it is theirs." placeholder:"MIB"`
	Output      string   `short:"o" enum:"md,json,csv,gobench" default:"md" help:"md, json, csv or gobench (for benchstat)."`
	MaxSpread   float64  `default:"0" help:"Exit with code 8 when (max-min)/median is above this; 0 = do not judge." placeholder:"X"`
}

func (*benchCmd) Help() string {
	return "Medians of repetitions, held against the memory bandwidth and arithmetic peaks measured between them (medians too). " +
		"ppN = a prompt of N tokens, tgN = N tokens one by one; @ d2048 = after 2048 tokens, @ b4 = 4 sequences together. " +
		"Four prompt lengths, or three depths or batches, give the law by which their time grows. " +
		"The limit is the time to read every weight once a pass (and the cache, while generating) or to do all products, whichever is longer. " +
		"Where Linux lets the energy counters (RAPL) be read there are joules a token too, of the processors and memory whole: run nothing else beside it. " +
		"--price-hour and --price-kwh reckon what a million tokens cost. " +
		"compare holds two results against each other: ratios of medians with 95 % bootstrap intervals. They were not measured in turn, so a " +
		"difference may be the machine's; exit code 8 where no test says anything. " +
		"--train measures optimiser steps on random data: tokens/s, the share of the arithmetic peak that 6 operations a token and weight come to, and " +
		"the most memory this process had resident; --vs pytorch or pytorch-compiled takes turns with PyTorch in a process of its own."
}

func (c *benchCmd) Run(a *app) error {
	prices, err := c.prices()
	if err != nil {
		return err
	}
	if prices.Given() && (c.Train != "" || len(c.What) > 0 && c.What[0] == "compare") {
		return usagef("--price-hour and --price-kwh are for what a model computes; leave them out of --train and compare")
	}
	if c.Train != "" {
		return c.benchTrain(a)
	}
	if len(c.What) == 0 {
		return usagef("bench takes a model, compare A.json B.json, or --train SHAPE")
	}
	if c.What[0] == "compare" {
		if len(c.What) != 3 {
			return usagef("bench compare takes two results of bench --json, got %d", len(c.What)-1)
		}
		switch c.Output {
		case "json":
			a.json = true
		case "csv", "gobench":
			return usagef("bench compare gives md or json, not %s", c.Output)
		}
		return benchCompare(a, c.What[1], c.What[2])
	}
	if len(c.What) > 1 {
		return usagef("bench takes one model, got %d", len(c.What))
	}
	if len(c.Vs) > 0 && len(c.LoRA) > 0 {
		return usagef("--vs and --lora are both given; other engines are measured without adapters, so leave one out")
	}
	m, err := a.openModel(c.What[0], &c.modelFlags)
	if err != nil {
		return err
	}
	defer m.Close()
	if m.Spec.Encoder {
		return usagef("%s writes no text, and bench times models that do", c.What[0])
	}
	if c.ReadSize < 1 || c.ReadSize > 64<<10 {
		return usagef("--read-size is %d MiB, want 1 to 65536", c.ReadSize)
	}
	o := bench.ModelOptions{Prices: prices, Repetitions: c.Repetitions, Prompts: nonzero(c.Prompt), Generations: nonzero(c.Generate), Batches: c.Batch, Depths: c.Depth,
		ReadBytes: c.ReadSize << 20, Load: true, Progress: func(done, total int, what string) {
			a.progress.show(fmt.Sprintf("bench  %d/%d  %s", done, total, what), false)
		}}
	for _, v := range c.Vs {
		p, err := bench.NewPeer(v)
		if err != nil {
			return usagef("--vs: %s", errorText(err))
		}
		o.Peers = append(o.Peers, p)
	}
	if err := o.Check(m.Model); err != nil {
		return usagef("%s", errorText(err))
	}
	r, err := bench.Model(a.ctx, m.Model, o)
	if err != nil {
		return err
	}
	a.progress.clear()
	switch {
	case a.json || c.Output == "json":
		err = a.emit(r)
	case c.Output == "csv":
		err = benchCSV(a, r)
	case c.Output == "gobench":
		benchGo(a, r)
	default:
		benchTable(a, r)
	}
	if err != nil {
		return err
	}
	for _, t := range r.Tests {
		if c.MaxSpread > 0 && t.Spread > c.MaxSpread {
			return &noisyError{fmt.Sprintf("%s spreads by %.0f %%, more than --max-spread %.0f %%: inconclusive; something else uses this machine",
				t.Name, 100*t.Spread, 100*c.MaxSpread)}
		}
	}
	return nil
}

// nonzero leaves out the zeros, with which a user says "none".
func nonzero(list []int) []int {
	var some []int
	for _, n := range list {
		if n != 0 {
			some = append(some, n)
		}
	}
	return some
}

// benchCompare holds the results of two files against each other.
func benchCompare(a *app, one, other string) error {
	before, err := bench.ReadResult(one)
	if err != nil {
		return asInput(err)
	}
	after, err := bench.ReadResult(other)
	if err != nil {
		return asInput(err)
	}
	r, err := bench.Compare(before, after)
	if err != nil {
		return usagef("%s", errorText(err))
	}
	if a.json {
		err = a.emit(r)
	} else {
		benchCompareTable(a, r)
	}
	if err != nil {
		return err
	}
	for _, t := range r.Tests {
		if t.Verdict != "inconclusive" {
			return nil
		}
	}
	return &noisyError{"no test says anything: the intervals are too wide"}
}
