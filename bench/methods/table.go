package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/freehold-slm/freehold/distill/stats"
)

// comparison is a row of the table: what stands in it beside which.
type comparison struct{ name, against string }

var comparisons = []comparison{
	{"demo", ""}, {"demo-ce", "demo"}, {"demo-random", "demo"}, {"demo, packed as q4_0", "demo"}, {"demo-q4_0", "demo, packed as q4_0"}, {"demo-q4_0-after0.5", "demo, packed as q4_0"},
	{"narrow", ""}, {"narrow, packed as q2_k", "narrow"}, {"narrow-q2_k-after0.5", "narrow, packed as q2_k"},
	{"few", ""}, {"few-ce", "few"}, {"few-1.5b", ""}, {"few-1.5b-ce", "few-1.5b"},
}

// recovery is what training for a format is asked to win back.
type recovery struct{ plain, packed, aware string }

var recovered = []recovery{
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
		fmt.Fprintf(out, "| %s |%s%s%s", c.name, cell(100, "%.1f", s.right), cell(100, "%.1f", s.agree), cell(1, "%.4f", s.divergence))
		if c.against == "" {
			fmt.Fprintln(out, " | | | | | | |")
			continue
		}
		base := all[c.against]
		fmt.Fprintf(out, " %s |%s%s%s\n", c.against, difference(100, "%+.1f", s.right, base.right), difference(100, "%+.1f", s.agree, base.agree), difference(1, "%+.5f", s.divergence, base.divergence))
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

// cell is the mean of what there is, [seed][row].
func cell(scale float64, format string, values [][]float64) string {
	if values == nil {
		return " |"
	}
	return " " + interval(scale, format, overSeeds(values)) + " |"
}

// difference is that of the seeds that both were made with, and its p, in two cells.
func difference(scale float64, format string, values, base [][]float64) string {
	if values == nil || base == nil {
		return " | |"
	}
	d := lessShared(values, base)
	return fmt.Sprintf(" %s | %.4f |", interval(scale, format, d), stats.SignFlip(d))
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
