// Command methods runs the ways of making a student against each other on the demo task, at equal tokens, and prints
// tables: where a student's weights come from, what it learns from, and what training for a format (quantisation-aware)
// wins back of what packing loses. Rates of learning are chosen on validation rows; test rows are answered after that.
// Runs are resumed, labels are shared by all, and answers are kept in the runs' folders.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
)

func main() {
	dir := flag.String("dir", "runs/methods", "folder of the recipes and their runs")
	threads := flag.Int("threads", runtime.GOMAXPROCS(0), "that work")
	only := flag.String("only", "", "names of methods, with commas between them; the table has these alone (default all)")
	flag.Parse()
	if err := choose(*only); err != nil {
		fmt.Fprintln(os.Stderr, "methods:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, &runner{dir: *dir, threads: *threads}); err != nil {
		fmt.Fprintln(os.Stderr, "methods:", err)
		os.Exit(1)
	}
}

// answering makes a run's student, unless it is there, and gives what it, packed as format ("" = as it is), says of the
// validation rows or of the test rows.
type answering func(ctx context.Context, r run, format string, test bool) ([]answer, error)

func compare(ctx context.Context, r *runner) error {
	chosen, err := chooseRates(ctx, os.Stdout, r.answers)
	if err != nil {
		return err
	}
	all, err := judge(ctx, chosen, r.answers)
	if err != nil {
		return err
	}
	return table(os.Stdout, all)
}

// choose leaves out the methods that are not named, and what is held against them.
func choose(names string) error {
	if names == "" {
		return nil
	}
	known := func(name string) bool {
		return slices.ContainsFunc(methods, func(m method) bool { return m.name == name || m.pack != "" && packed(m.name, m.pack) == name })
	}
	list := strings.Split(names, ",")
	for _, name := range list {
		if !slices.ContainsFunc(methods, func(m method) bool { return m.name == name }) {
			return fmt.Errorf("-only: there is no method %q", name)
		}
	}
	methods = slices.DeleteFunc(methods, func(m method) bool { return !slices.Contains(list, m.name) })
	for _, m := range methods {
		if m.rateOf != "" && !known(m.rateOf) {
			return fmt.Errorf("-only: %s takes the rate of %s, which is not named", m.name, m.rateOf)
		}
	}
	comparisons = slices.DeleteFunc(comparisons, func(c comparison) bool { return !known(c.name) || c.against != "" && !known(c.against) })
	recovered = slices.DeleteFunc(recovered, func(r recovery) bool { return !known(r.plain) || !known(r.packed) || !known(r.aware) })
	return nil
}

// chooseRates tries the rates of every method with the first seed and gives each method that with the lowest loss on the
// validation rows. While that is the lowest or the highest of those tried, the next of the ladder is tried too.
func chooseRates(ctx context.Context, out io.Writer, answers answering) (map[string]string, error) {
	chosen := map[string]string{}
	fmt.Fprintln(out, "| method | rate | its loss on validation rows | accuracy there, % |\n| --- | --- | --- | --- |")
	for i := range methods {
		m := &methods[i]
		if m.rateOf != "" {
			chosen[m.name] = chosen[m.rateOf]
			continue
		}
		low := slices.Index(ladder, m.rates[0])
		high := low + len(m.rates) - 1
		best, least := -1, 0.0
		try := func(at int) error {
			list, err := answers(ctx, run{m, ladder[at], seeds[0]}, "", false)
			if err != nil {
				return err
			}
			loss := mean(divergence(list))
			if m.labels {
				loss = mean(surprise(list))
			}
			if best < 0 || cmp.Less(loss, least) {
				best, least = at, loss
			}
			fmt.Fprintf(out, "| %s | %s | %.5f | %.1f |\n", m.name, ladder[at], loss, 100*mean(right(list)))
			return nil
		}
		for at := low; at <= high; at++ {
			if err := try(at); err != nil {
				return nil, err
			}
		}
		for best == low && low > 0 {
			low--
			if err := try(low); err != nil {
				return nil, err
			}
		}
		for best == high && high < len(ladder)-1 {
			high++
			if err := try(high); err != nil {
				return nil, err
			}
		}
		chosen[m.name] = ladder[best]
	}
	fmt.Fprintln(out)
	return chosen, nil
}

// student is a row of the table: a method, or its students packed afterwards. [seed][row], nil where the teacher was not asked.
type student struct{ right, agree, divergence [][]float64 }

// judge has the test rows answered by every method at its rate, with its seeds; by name, or name:format.
func judge(ctx context.Context, chosen map[string]string, answers answering) (map[string]student, error) {
	all := map[string]student{}
	for i := range methods {
		m := &methods[i]
		for _, format := range []string{"", m.pack} {
			if format == "" && all[m.name].right != nil { // nothing to pack
				continue
			}
			var s student
			for _, seed := range m.runs(format) {
				list, err := answers(ctx, run{m, chosen[m.name], seed}, format, true)
				if err != nil {
					return nil, err
				}
				if s.right = append(s.right, right(list)); asked(list) {
					s.agree, s.divergence = append(s.agree, agreement(list)), append(s.divergence, divergence(list))
				}
			}
			all[packed(m.name, format)] = s
		}
	}
	return all, nil
}

func packed(name, format string) string {
	if format == "" {
		return name
	}
	return name + ", packed as " + format
}
