package main

import (
	"encoding/csv"
	"fmt"
	"strconv"

	"github.com/freehold-slm/freehold/bench"
)

type benchCmd struct {
	Model string `arg:"" help:"GGUF file or catalogue name."`
	modelFlags
	Prompt      []int   `short:"p" default:"512" help:"Prompt lengths; 0 = none."`
	Generate    []int   `short:"n" default:"128" help:"Generation lengths; 0 = none."`
	Repetitions int     `short:"r" default:"5" help:"How often each is measured."`
	Output      string  `short:"o" enum:"md,json,csv" default:"md" help:"md, json or csv."`
	MaxSpread   float64 `default:"0" help:"Exit with code 8 when (max-min)/median is above this; 0 = do not judge." placeholder:"X"`
}

func (*benchCmd) Help() string {
	return "Medians of repetitions, held against the memory bandwidth and arithmetic peaks measured in the same run. " +
		"ppN = a prompt of N tokens, tgN = N tokens one by one. The limit is the time to read every weight once a pass or to do all products, whichever is longer."
}

func (c *benchCmd) Run(a *app) error {
	m, err := a.openModel(c.Model, &c.modelFlags)
	if err != nil {
		return err
	}
	defer m.Close()
	o := bench.ModelOptions{Repetitions: c.Repetitions, Progress: func(done, total int, what string) {
		a.progress.show(fmt.Sprintf("bench  %d/%d  %s", done, total, what), false)
	}}
	for _, n := range c.Prompt {
		if n != 0 {
			o.Prompts = append(o.Prompts, n)
		}
	}
	for _, n := range c.Generate {
		if n != 0 {
			o.Generations = append(o.Generations, n)
		}
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

func benchTable(a *app, r *bench.ModelResult) {
	a.write("%s: %s, %s parameters, %s; %s, %d threads, %s, KV %s\n", r.Model, r.Arch, count(r.Parameters), size(r.Bytes), r.CPULevel, r.Threads, r.Numeric, r.KV)
	l := r.Limits
	peak := func(name string, v float64) string {
		if v == 0 {
			return name + " not measurable here"
		}
		return fmt.Sprintf("%s %.0f G/s", name, v)
	}
	a.write("limits: read %.1f GB/s (%s), %s, %s\n\n", l.ReadGBs, size(int64(l.ReadBytes)), peak("int8", l.Int8Gops), peak("f32", l.F32Gflops))
	rows := [][]string{{"| test", "| tok/s", "| min", "| max", "| spread", "| of limit |"}, {"| ---", "| ---:", "| ---:", "| ---:", "| ---:", "| --- |"}}
	for _, t := range r.Tests {
		of := "| - |"
		if t.Limit != "" {
			of = fmt.Sprintf("| %.0f %% of %.0f (%s) |", 100*t.LimitFraction, t.LimitTokS, t.Limit)
		}
		rows = append(rows, []string{"| " + t.Name, fmt.Sprintf("| %.1f", t.TokS), fmt.Sprintf("| %.1f", t.TokSMin), fmt.Sprintf("| %.1f", t.TokSMax),
			fmt.Sprintf("| %.0f %%", 100*t.Spread), of})
	}
	a.columns(rows)
}

func benchCSV(a *app, r *bench.ModelResult) error {
	w := csv.NewWriter(a.out)
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	rows := [][]string{{"model", "cpu_level", "threads", "test", "tok_s", "tok_s_min", "tok_s_max", "spread", "limit", "limit_tok_s", "limit_fraction"}}
	for _, t := range r.Tests {
		rows = append(rows, []string{r.Model, r.CPULevel, strconv.Itoa(r.Threads), t.Name, number(t.TokS), number(t.TokSMin), number(t.TokSMax),
			number(t.Spread), t.Limit, number(t.LimitTokS), number(t.LimitFraction)})
	}
	return w.WriteAll(rows)
}
