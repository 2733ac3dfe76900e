package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/freehold-slm/freehold/distill/stats"
)

// comparisons are the rows of the table: what stands in it beside which.
var comparisons = []struct{ name, against string }{
	{"demo", ""}, {"demo-ce", "demo"}, {"demo-random", "demo"}, {"demo, packed as q4_0", "demo"}, {"demo-q4_0", "demo, packed as q4_0"}, {"demo-q4_0-after0.5", "demo, packed as q4_0"},
	{"narrow", ""}, {"narrow, packed as q2_k", "narrow"}, {"narrow-q2_k-after0.5", "narrow, packed as q2_k"},
}

// recovered lists what training for a format is asked to win back.
var recovered = []struct{ plain, packed, aware string }{
	{"demo", "demo, packed as q4_0", "demo-q4_0"}, {"demo", "demo, packed as q4_0", "demo-q4_0-after0.5"},
	{"narrow", "narrow, packed as q2_k", "narrow-q2_k-after0.5"},
}

// table prints the means over seeds and test rows of every student, how it differs from the one that it is held
// against, row by row, and the share of the loss by packing that training for the format wins back.
func table(out io.Writer, all map[string]student) error {
	fmt.Fprintln(out, "| student | accuracy, % | agrees with the teacher, % | KL from the teacher, nats | held against | accuracy more | p | agrees more | p | KL more | p |")
	fmt.Fprintln(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, c := range comparisons {
		s, ok := all[c.name]
		if !ok {
			return fmt.Errorf("%s was not run", c.name)
		}
		hit, kl := overSeeds(s.right), overSeeds(s.divergence)
		fmt.Fprintf(out, "| %s | %s | %s | %s |", c.name, interval(100, "%.1f", hit), interval(100, "%.1f", overSeeds(s.agree)), interval(1, "%.4f", kl))
		if c.against == "" {
			fmt.Fprintln(out, " | | | | | | |")
			continue
		}
		base := all[c.against]
		more, same, worse := lessShared(s.right, base.right), lessShared(s.agree, base.agree), lessShared(s.divergence, base.divergence)
		fmt.Fprintf(out, " %s | %s | %.4f | %s | %.4f | %s | %.4f |\n", c.against, interval(100, "%+.1f", more), stats.SignFlip(more), interval(100, "%+.1f", same), stats.SignFlip(same), interval(1, "%+.5f", worse), stats.SignFlip(worse))
	}
	fmt.Fprintln(out)
	for _, c := range recovered {
		for _, of := range []struct {
			what   string
			values func(student) [][]float64
		}{{"KL", func(s student) [][]float64 { return s.divergence }}, {"accuracy", func(s student) [][]float64 { return s.right }}} {
			plain, packed, aware := of.values(all[c.plain]), of.values(all[c.packed]), of.values(all[c.aware])
			lost, won := lessShared(packed, plain), lessShared(packed, aware)
			v, lo, hi := stats.OfRows(len(lost), 1, func(rows []int) float64 { return 100 * stats.MeanOf(won)(rows) / stats.MeanOf(lost)(rows) })
			fmt.Fprintf(out, "- %s: training for the format wins back %.0f %% (%.0f to %.0f) of the %s that packing loses\n", c.aware, v, lo, hi, of.what)
		}
	}
	return nil
}

// lessShared is a - b, row by row, means over the seeds that both were made with: the first ones.
func lessShared(a, b [][]float64) []float64 {
	n := min(len(a), len(b))
	return less(overSeeds(a[:n]), overSeeds(b[:n]))
}

// overSeeds is the mean over seeds, a value a row.
func overSeeds(values [][]float64) []float64 {
	out := slices.Clone(values[0])
	for _, v := range values[1:] {
		for i := range out {
			out[i] += v[i]
		}
	}
	for i := range out {
		out[i] /= float64(len(values))
	}
	return out
}

// less is a - b, row by row.
func less(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// interval writes a mean and its 95 % bootstrap interval.
func interval(scale float64, format string, x []float64) string {
	v, lo, hi := stats.OfRows(len(x), 1, func(rows []int) float64 { return scale * stats.MeanOf(x)(rows) })
	return fmt.Sprintf(format+" ("+format+" to "+format+")", v, lo, hi)
}
