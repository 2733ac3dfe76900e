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
	fmt.Fprintln(out, "| student | accuracy, % | agrees with the teacher, % | KL from the teacher, nats | held against | accuracy more | p | KL more | p |")
	fmt.Fprintln(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, c := range comparisons {
		s, ok := all[c.name]
		if !ok {
			return fmt.Errorf("%s was not run", c.name)
		}
		hit, kl := overSeeds(s.right), overSeeds(s.divergence)
		fmt.Fprintf(out, "| %s | %s | %s | %s |", c.name, interval(100, "%.1f", hit), interval(100, "%.1f", overSeeds(s.agree)), interval(1, "%.4f", kl))
		if c.against == "" {
			fmt.Fprintln(out, " | | | | |")
			continue
		}
		base := all[c.against]
		more, worse := less(hit, overSeeds(base.right)), less(kl, overSeeds(base.divergence))
		fmt.Fprintf(out, " %s | %s | %.4f | %s | %.4f |\n", c.against, interval(100, "%+.1f", more), stats.SignFlip(more), interval(1, "%+.5f", worse), stats.SignFlip(worse))
	}
	fmt.Fprintln(out)
	for _, c := range recovered {
		for _, of := range []struct {
			what   string
			values func(student) [][]float64
		}{{"KL", func(s student) [][]float64 { return s.divergence }}, {"accuracy", func(s student) [][]float64 { return s.right }}} {
			plain, packed, aware := of.values(all[c.plain]), of.values(all[c.packed]), of.values(all[c.aware])
			share := func(seeds ...int) (v, lo, hi float64) {
				lost := less(overSeeds(pick(packed, seeds)), overSeeds(pick(plain, seeds)))
				won := less(overSeeds(pick(packed, seeds)), overSeeds(pick(aware, seeds)))
				return stats.OfRows(len(lost), 1, func(rows []int) float64 { return 100 * stats.MeanOf(won)(rows) / stats.MeanOf(lost)(rows) })
			}
			every := make([]int, len(plain))
			for i := range every {
				every[i] = i
			}
			v, lo, hi := share(every...)
			fmt.Fprintf(out, "- %s: training for the format wins back %.0f %% (%.0f to %.0f) of the %s that packing loses; by seed", c.aware, v, lo, hi, of.what)
			for i := range every {
				v, _, _ := share(i)
				fmt.Fprintf(out, " %.0f", v)
			}
			fmt.Fprintln(out)
		}
	}
	return nil
}

func pick(values [][]float64, which []int) (out [][]float64) {
	for _, i := range which {
		out = append(out, values[i])
	}
	return out
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
