package main

import (
	"encoding/csv"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/bench"
	"github.com/freehold-slm/freehold/distill/energy"
)

// numericText is the numeric mode and, of fast, what it comes to here.
func numericText(r *bench.ModelResult) string {
	switch {
	case r.Numeric != "fast":
		return r.Numeric
	case r.FastUnit == "":
		return "fast (the same as normal: this CPU level has nothing faster)"
	}
	return "fast (float weights by " + r.FastUnit + ")"
}

func benchTable(a *app, r *bench.ModelResult) {
	a.write("%s: %s, %s parameters, %s; %s, %d threads, %s, KV %s\n", r.Model, r.Arch, count(r.Parameters), size(r.Bytes), r.CPULevel, r.Threads, numericText(r), r.KV)
	l := r.Limits
	peak := func(name string, v float64) string {
		if v == 0 {
			return name + " not measurable here"
		}
		return fmt.Sprintf("%s %.0f G/s", name, v)
	}
	a.write("limits: read %.1f GB/s (%s of %s; plain %.1f, prefetching %.1f, in 16 places %.1f, at most %.1f), %s, %s, %s\n", l.ReadGBs, size(int64(l.ReadBytes)), l.ReadFrom, l.PlainGBs,
		l.FetchGBs, l.RunsGBs, l.ReadMost, peak("int8", l.Int8Gops), peak("f32", l.F32Gflops), peak("bf16", l.BF16Gflops))
	if s := r.Startup; s != nil {
		a.write("startup: ready %.1f ms, with tokenizer %.1f ms, first token %.1f ms\n", s.ReadyMS, s.TokenizerMS, s.FirstTokenMS)
	}
	if len(r.Load) == 2 {
		a.write("load average: %.1f before, %.1f after\n", r.Load[0], r.Load[1])
	}
	if r.Bytes < int64(r.L3Bytes) {
		a.write("the file (%s) fits into the L3 cache (%s): generation may go past the memory's limit\n", size(r.Bytes), size(int64(r.L3Bytes)))
	}
	a.write("\n")
	rows := [][]string{{"| test", "| tok/s", "| min", "| max", "| spread", "| rate", "| of limit |"}, {"| ---", "| ---:", "| ---:", "| ---:", "| ---:", "| ---:", "| --- |"}}
	for _, t := range r.Tests {
		rate, of := fmt.Sprintf("| %.1f GB/s", t.GBs), "| - |"
		if t.Limit == "arithmetic" {
			rate = fmt.Sprintf("| %.0f Gop/s", t.Gops)
		}
		if t.Limit != "" {
			of = fmt.Sprintf("| %.0f %% of %.0f (%s) |", 100*t.LimitFraction, t.LimitTokS, t.Limit)
		}
		rows = append(rows, []string{"| " + t.Name, fmt.Sprintf("| %.1f", t.TokS), fmt.Sprintf("| %.1f", t.TokSMin), fmt.Sprintf("| %.1f", t.TokSMax),
			fmt.Sprintf("| %.0f %%", 100*t.Spread), rate, of})
	}
	a.columns(rows)
	benchEnergy(a, r)
	if len(r.Laws) > 0 {
		a.write("\n")
	}
	for _, l := range r.Laws {
		terms := fmt.Sprintf("%.3g ms + %.3g µs·n", 1e3*l.Terms[0], 1e6*l.Terms[1])
		if len(l.Terms) > 2 {
			terms += fmt.Sprintf(" + %.3g ns·n²", 1e9*l.Terms[2])
		}
		a.write("a %s takes %s, n = %s, %d to %d; off by at most %.0f %%\n", l.Of, terms, l.Over, l.From, l.To, 100*l.Error)
	}
	rows = [][]string{{"| test", "| against", "| tok/s", "| ratio [95 %] |"}, {"| ---", "| ---", "| ---:", "| --- |"}}
	for _, t := range r.Tests {
		for _, v := range t.Peers {
			rows = append(rows, []string{"| " + t.Name, fmt.Sprintf("| %s (%s)", v.Peer, v.Build), fmt.Sprintf("| %.1f", v.TokS),
				fmt.Sprintf("| %.2f [%.2f, %.2f] |", v.Ratio, v.RatioLo, v.RatioHi)})
		}
	}
	if len(rows) > 2 {
		a.write("\n")
		a.columns(rows)
	}
}

// benchEnergy prints joules a token and costs of a million, or why there are none.
func benchEnergy(a *app, r *bench.ModelResult) {
	known := func(v *float64, unit string) string {
		if v == nil {
			return "unknown"
		}
		return fmt.Sprintf("%.3g%s", *v, unit)
	}
	a.write("\n")
	if r.Energy.Why != "" {
		a.write("energy is unknown: %s\n", r.Energy.Why)
	} else {
		a.write("energy by %s, whatever else ran:\n", strings.Join(r.Energy.Counters, ", "))
	}
	p := r.Energy.Prices
	for _, t := range r.Tests {
		var parts []string
		if r.Energy.Why == "" {
			parts = append(parts, known(t.JTok, " J a token"))
		}
		if p.Hour != nil {
			parts = append(parts, fmt.Sprintf("a million tokens cost %s at %g an hour", known(t.Cost.Hour, ""), *p.Hour))
		}
		if p.KWh != nil {
			parts = append(parts, fmt.Sprintf("their electricity %s at %g a kWh", known(t.Cost.Energy, ""), *p.KWh))
		}
		if len(parts) > 0 {
			a.write("%s: %s\n", t.Name, strings.Join(parts, "; "))
		}
	}
}

func benchCSV(a *app, r *bench.ModelResult) error {
	w := csv.NewWriter(a.out)
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	maybe := func(v *float64) string {
		if v == nil {
			return ""
		}
		return number(*v)
	}
	load := []string{"", ""}
	for i, v := range r.Load {
		load[i] = number(v)
	}
	rows := [][]string{{"model", "cpu_level", "threads", "test", "tok_s", "tok_s_min", "tok_s_max", "spread", "limit", "limit_tok_s", "limit_fraction", "gb_s",
		"gop_s", "j_tok", "cost_hour_mtok", "cost_energy_mtok", "read_gb_s", "int8_gops", "f32_gflops", "bf16_gflops", "load_before", "load_after", "peer", "peer_tok_s", "ratio", "ratio_lo", "ratio_hi"}}
	for _, t := range r.Tests {
		var cost energy.Cost
		if t.Cost != nil {
			cost = *t.Cost
		}
		row := []string{modelName(r), r.CPULevel, strconv.Itoa(r.Threads), t.Name, number(t.TokS), number(t.TokSMin), number(t.TokSMax), number(t.Spread), t.Limit,
			number(t.LimitTokS), number(t.LimitFraction), number(t.GBs), number(t.Gops), maybe(t.JTok), maybe(cost.Hour), maybe(cost.Energy), number(r.Limits.ReadGBs), number(r.Limits.Int8Gops),
			number(r.Limits.F32Gflops), number(r.Limits.BF16Gflops), load[0], load[1]}
		if len(t.Peers) == 0 {
			rows = append(rows, append(row, "", "", "", "", ""))
		}
		for _, v := range t.Peers {
			rows = append(rows, append(row[:len(row):len(row)], v.Peer, number(v.TokS), number(v.Ratio), number(v.RatioLo), number(v.RatioHi)))
		}
	}
	return w.WriteAll(rows)
}

// modelName is the file's name without its folder: results travel.
func modelName(r *bench.ModelResult) string {
	return strings.TrimSuffix(filepath.Base(r.Model), ".gguf")
}

// benchGo prints a line a sample in the format of Go's benchmarks, which benchstat reads.
func benchGo(a *app, r *bench.ModelResult) {
	a.write("cpu: %s\nlevel: %s\nmodel: %s\n", r.CPU, r.CPULevel, modelName(r))
	for _, t := range r.Tests {
		name := strings.ReplaceAll(strings.ReplaceAll(t.Name, " @ ", "/"), " ", "_")
		for _, v := range t.Samples {
			a.write("Benchmark/%s-%d\t1\t%.0f ns/op\t%.2f tok/s\n", name, r.Threads, float64(t.Tokens*t.Batch)/v*1e9, v)
		}
		for _, p := range t.Peers {
			for _, v := range p.Samples {
				a.write("Benchmark/%s/%s-%d\t1\t%.0f ns/op\t%.2f tok/s\n", name, p.Peer, r.Threads, float64(t.Tokens*t.Batch)/v*1e9, v)
			}
		}
	}
}

func benchCompareTable(a *app, r *bench.Comparison) {
	for _, n := range r.Notes {
		a.write("differs: %s\n", n)
	}
	rows := [][]string{{"| test", "| A tok/s", "| B tok/s", "| B/A [95 %]", "| verdict |"}, {"| ---", "| ---:", "| ---:", "| ---", "| --- |"}}
	for _, t := range r.Tests {
		rows = append(rows, []string{"| " + t.Name, fmt.Sprintf("| %.1f", t.A), fmt.Sprintf("| %.1f", t.B), fmt.Sprintf("| %.3f [%.3f, %.3f]", t.Ratio, t.Lo, t.Hi),
			"| " + t.Verdict + " |"})
	}
	a.columns(rows)
}
