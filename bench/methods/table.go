package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/bench/internal/stats"
)

// answer is a line of eval/predictions*.jsonl.
type answer struct {
	Gold             int
	Student, Teacher []float64
}

// answers reads what a run's model, or that of a format, said of the test rows; teacher is taken from the run's own.
func answers(runs, name, format string) ([]answer, error) {
	list, err := readAnswers(filepath.Join(runs, name, "eval", "predictions.jsonl"))
	if err != nil || format == "" {
		return list, err
	}
	packed, err := readAnswers(filepath.Join(runs, name, "eval", "predictions."+format+".jsonl"))
	if err == nil && len(packed) != len(list) {
		err = fmt.Errorf("%s: %d rows of %s, want %d", name, len(packed), format, len(list))
	}
	for i := range packed {
		packed[i].Teacher = list[i].Teacher
	}
	return packed, err
}

func readAnswers(path string) (list []answer, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, a)
	}
	return list, lines.Err()
}

// right is 1 for rows that are answered as the labels say, divergence KL(teacher || student) in nats.
func right(list []answer) []float64 {
	out := make([]float64, len(list))
	for i, a := range list {
		if slices.Index(a.Student, slices.Max(a.Student)) == a.Gold {
			out[i] = 1
		}
	}
	return out
}

func divergence(list []answer) []float64 {
	out := make([]float64, len(list))
	for i, a := range list {
		for k, p := range a.Teacher {
			if p > 0 {
				out[i] += p * math.Log(p/max(a.Student[k], 1e-12))
			}
		}
	}
	return out
}

func mean(x []float64, rows []int) float64 {
	sum := 0.0
	for _, r := range rows {
		sum += x[r]
	}
	return sum / float64(len(rows))
}

// interval is the value of a statistic on all rows and its 95 % bootstrap interval, rows drawn together for all runs.
func interval(n int, of func(rows []int) float64) (v, lo, hi float64) {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	v = of(rows)
	lo, hi = stats.Interval(0.95, func(r *rand.Rand) float64 {
		for i := range rows {
			rows[i] = r.IntN(n)
		}
		return of(rows)
	})
	return v, lo, hi
}

// table prints accuracy and divergence of each run, differences from the run that it is compared with, and the share of
// the loss by packing that training for the format wins back.
func table(out io.Writer, runs string) error {
	fmt.Fprintln(out, "| run | accuracy % (95 %) | KL from the teacher, nats (95 %) | accuracy less | KL more |\n| --- | --- | --- | --- | --- |")
	for _, c := range []struct{ name, format, against string }{
		{"demo", "", ""}, {"demo-ce", "", "demo"}, {"demo-random", "", "demo"}, {"demo-random-slow", "", "demo"}, {"demo", "q4_0", "demo"}, {"demo-q4_0", "", "demo"},
		{"narrow", "", ""}, {"narrow", "q2_k", "narrow"}, {"narrow-q2_k", "", "narrow"},
	} {
		list, err := answers(runs, c.name, c.format)
		if err != nil {
			return err
		}
		hit, kl := right(list), divergence(list)
		label, less, more := c.name, "", ""
		if c.format != "" {
			label += ", packed as " + c.format
		}
		if c.against != "" {
			base, err := answers(runs, c.against, "")
			if err != nil {
				return err
			}
			hit0, kl0 := right(base), divergence(base)
			v, lo, hi := interval(len(list), func(r []int) float64 { return 100 * (mean(hit0, r) - mean(hit, r)) })
			less = fmt.Sprintf("%.2f (%.2f to %.2f)", v, lo, hi)
			v, lo, hi = interval(len(list), func(r []int) float64 { return mean(kl, r) - mean(kl0, r) })
			more = fmt.Sprintf("%.4f (%.4f to %.4f)", v, lo, hi)
		}
		a, alo, ahi := interval(len(list), func(r []int) float64 { return 100 * mean(hit, r) })
		k, klo, khi := interval(len(list), func(r []int) float64 { return mean(kl, r) })
		fmt.Fprintf(out, "| %s | %.2f (%.2f to %.2f) | %.4f (%.4f to %.4f) | %s | %s |\n", label, a, alo, ahi, k, klo, khi, less, more)
	}
	fmt.Fprintln(out)
	for _, c := range []struct{ plain, format, aware string }{{"demo", "q4_0", "demo-q4_0"}, {"narrow", "q2_k", "narrow-q2_k"}} {
		var kl [3][]float64
		for i, of := range [3][2]string{{c.plain, ""}, {c.plain, c.format}, {c.aware, ""}} {
			list, err := answers(runs, of[0], of[1])
			if err != nil {
				return err
			}
			kl[i] = divergence(list)
		}
		v, lo, hi := interval(len(kl[0]), func(r []int) float64 {
			lost := mean(kl[1], r) - mean(kl[0], r)
			return (mean(kl[1], r) - mean(kl[2], r)) / lost
		})
		fmt.Fprintf(out, "- %s as %s: training for the format wins back %.0f %% (%.0f to %.0f) of the KL that packing loses\n", c.plain, c.format, 100*v, 100*lo, 100*hi)
	}
	return nil
}
