// Command gate says whether head is slower than the commit it is based on. Kernels and whole tokens of both commits are
// linked into one program and take turns on one thread (package pairs); FAIL when the interval of a ratio lies above
// 3 %. It also holds counts that need no clock to committed numbers (budget.json). Exit status 1 = FAIL; "inconclusive"
// is reported and does not fail.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/bench"
	"github.com/freehold-slm/freehold/bench/gate/pairs"
	"github.com/freehold-slm/freehold/distill/stats"
)

func main() {
	o := options{}
	flag.StringVar(&o.base, "base", os.Getenv("BENCH_BASE"), "commit to compare with (default: BENCH_BASE, else where HEAD left origin/main, else HEAD where the working tree differs from it, else HEAD~1)")
	flag.StringVar(&o.run, "run", "", "only cases that match this regular expression")
	flag.IntVar(&o.pairs, "pairs", 25, "pairs of slices for each case and layout")
	flag.IntVar(&o.layouts, "layouts", 24, "layouts at most; after 6, only cases that are still inconclusive go on")
	flag.DurationVar(&o.time, "time", 150*time.Second, "stop measuring pairs after this time")
	flag.BoolVar(&o.write, "write", false, "write today's counts to "+budgetFile+" instead of judging them")
	flag.StringVar(&o.skip, "skip", "", "pairs or counts: leave that half out")
	tokens := flag.Int("decode", 0, "decode so many tokens of the model named as argument on one thread, and nothing else")
	flag.Parse()
	if *tokens > 0 {
		if err := decode(flag.Arg(0), *tokens); err != nil {
			fmt.Fprintln(os.Stderr, "gate:", err)
			os.Exit(1)
		}
		return
	}
	if err := o.check(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
	failed := false
	run := func(half string, f func(o *options, w io.Writer) (bool, error)) {
		if o.skip == half {
			return
		}
		ok, err := f(&o, os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "gate:", err)
		}
		failed = failed || err != nil || !ok
	}
	run("counts", counts)
	run("pairs", compare)
	if failed {
		fmt.Println("bench-gate: FAIL")
		os.Exit(1)
	}
	fmt.Println("bench-gate: not failed")
}

type options struct {
	base, run, skip string
	pairs, layouts  int
	time            time.Duration
	write           bool
}

// check refuses what would measure nothing and pass.
func (o *options) check(args []string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("unknown argument %q", args[0])
	case o.skip != "" && o.skip != "pairs" && o.skip != "counts":
		return fmt.Errorf("-skip is %q, want pairs or counts", o.skip)
	case o.pairs < minKept || o.layouts < minLayouts:
		return fmt.Errorf("-pairs is %d and -layouts %d, want at least %d and %d", o.pairs, o.layouts, minKept, minLayouts)
	}
	return nil
}

// compare measures head against base and prints a table; false = at least one case is slower.
func compare(o *options, w io.Writer) (bool, error) {
	if runtime.GOOS != "linux" {
		fmt.Fprintf(w, "pairs: INCONCLUSIVE: %s does not count a thread's context switches\n", runtime.GOOS)
		return true, nil
	}
	only, err := regexp.Compile(o.run)
	if err != nil {
		return false, fmt.Errorf("-run: %w", err)
	}
	commit, why, err := baseCommit(o.base)
	if errors.Is(err, errNoBase) {
		fmt.Fprintf(w, "pairs: INCONCLUSIVE: %v; speeds are NOT CHECKED\n", err)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "bench-gate-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only litter
	fmt.Fprintf(w, "pairs: base %.12s (%s) against the working tree\n", commit, why)
	ways := []string{filepath.Join(dir, "straight"), filepath.Join(dir, "swapped")}
	lay := func(ownCases bool) error {
		for i, way := range ways {
			if err := layOut(way, commit, ownCases, i == 1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := lay(false); err != nil {
		return false, err
	}
	if _, err := link(ways[0], 1); err != nil {
		fmt.Fprintf(w, "pairs: base does not build with head's cases; trying its own\n%v\n", err)
		if err := lay(true); err != nil {
			fmt.Fprintf(w, "pairs: INCONCLUSIVE: base has no cases of its own (%v); speeds are NOT CHECKED\n", err)
			return true, nil
		}
		if _, err := link(ways[0], 1); err != nil {
			fmt.Fprintf(w, "pairs: INCONCLUSIVE: base does not build beside head; speeds are NOT CHECKED\n%v\n", err)
			return true, nil
		}
	}
	models, err := filepath.Abs(filepath.Join("testdata", "models"))
	if err != nil {
		return false, err
	}
	start := time.Now()
	c := comparison{models: models, o: o, found: map[string]*found{}}
	if c.traded, err = readTrades(tradedFile, commit); err != nil {
		return false, err
	}
	for seed := 1; seed <= o.layouts; seed++ {
		bin, err := link(ways[seed%2], seed)
		if err != nil {
			return false, err
		}
		if seed == 1 {
			if err := c.list(bin, only); err != nil {
				return false, err
			}
		}
		if seed > 6 {
			c.open = slices.DeleteFunc(c.open, func(name string) bool { return c.outcome(name).verdict != inconclusive })
		}
		if len(c.open) == 0 || time.Since(start) > o.time {
			break
		}
		if err := c.measure(bin, seed); err != nil {
			return false, err
		}
		os.Remove(bin) //nolint:errcheck // goes with the folder
	}
	return c.print(w, time.Since(start)), nil
}

// comparison is what has been measured so far.
type comparison struct {
	traded      map[string]trade // by case
	models      string
	o           *options
	names, open []string // all cases, and those still measured
	found       map[string]*found
}

type found struct {
	layouts []layout
	base    []float64 // ns a call
	dropped int
	missing string
}

// list asks the program for its cases.
func (c *comparison) list(bin string, only *regexp.Regexp) error {
	out, err := exec.Command(bin, "list").Output()
	if err != nil {
		return fmt.Errorf("listing the cases: %w", err)
	}
	for _, name := range strings.Fields(string(out)) {
		if only.MatchString(name) {
			c.names = append(c.names, name)
			c.found[name] = &found{}
		}
	}
	if len(c.names) == 0 {
		return fmt.Errorf("no case matches -run %q", only)
	}
	c.open = slices.Clone(c.names)
	return nil
}

// measure runs one process over the open cases.
func (c *comparison) measure(bin string, seed int) error {
	req, err := json.Marshal(pairs.Request{Names: c.open, Models: c.models, Pairs: c.o.pairs, HeadFirst: seed/2%2 == 0})
	if err != nil {
		return err
	}
	cmd := exec.Command(bin)
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	cmd.Stdin = bytes.NewReader(req)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("measuring: %w\n%s", err, stderr.Bytes())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var r pairs.Result
		if err := d.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		f := c.found[r.Name]
		f.missing = r.Missing
		f.dropped += r.Dropped
		var l layout
		for i := range r.Base {
			l = append(l, r.Head[i]/r.Base[i])
			f.base = append(f.base, r.Base[i]/float64(r.Calls))
		}
		if len(l) >= minKept {
			f.layouts = append(f.layouts, l)
		}
	}
}

func (c *comparison) outcome(name string) outcome {
	f := c.found[name]
	o := outcome{name: name, verdict: inconclusive, dropped: f.dropped, layouts: len(f.layouts)}
	if f.missing == "both" || f.missing == "base" {
		o.verdict = pass
		return o
	}
	if len(f.layouts) == 0 {
		return o
	}
	for _, l := range f.layouts {
		o.pairs += len(l)
	}
	o.nsBefore = stats.Median(f.base)
	o.ratio, o.lo, o.hi, o.verdict = judge(f.layouts)
	return o
}

// print writes the table, worst first; false = some case is slower.
func (c *comparison) print(w io.Writer, took time.Duration) bool {
	var all []outcome
	for _, name := range c.names {
		switch c.found[name].missing {
		case "both":
		case "base":
			fmt.Fprintf(w, "  %-42s new: base has none to compare with\n", name)
		case "head":
			fmt.Fprintf(w, "  %-42s INCONCLUSIVE: base has this kernel on this CPU and head has not\n", name)
		default:
			all = append(all, c.outcome(name))
		}
	}
	slices.SortStableFunc(all, func(a, b outcome) int {
		switch {
		case a.ratio > b.ratio:
			return -1
		case a.ratio < b.ratio:
			return 1
		}
		return 0
	})
	count := map[verdict]int{}
	fmt.Fprintf(w, "  %-42s %9s  %-28s %s\n", "case", "base", "head/base time [99 %]", "verdict")
	for _, o := range all {
		if t, ok := c.traded[o.name]; ok && o.verdict == fail && o.lo <= t.Most {
			o.verdict = traded
		}
		count[o.verdict]++
		fmt.Fprintf(w, "  %-42s %6.2f µs  %.3f [%.3f, %.3f]  %-12s %d pairs in %d layouts, %d dropped\n", o.name, o.nsBefore/1000, o.ratio, o.lo, o.hi,
			o.verdict, o.pairs, o.layouts, o.dropped)
		if o.verdict == traded {
			fmt.Fprintf(w, "    up to %.2f, for: %s\n", c.traded[o.name].Most, c.traded[o.name].Why)
		}
	}
	fmt.Fprintf(w, "pairs: %d pass, %d FAIL, %d traded, %d inconclusive, in %.0f s; load average %.1f\n", count[pass], count[fail], count[traded], count[inconclusive], took.Seconds(), bench.LoadAverage())
	return count[fail] == 0
}
