//go:build unix

// Command order measures what the canonical summation order costs against a free one (docs/arithmetic.md): it builds
// itself with and without the tag freeorder, lets the two take turns on the same work and prints the median of the
// ratios of neighbours, with a bootstrap interval. Times are processor times of one thread, so that a busy machine
// disturbs them little.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

func main() {
	model := flag.String("model", "", "GGUF file")
	pairs := flag.Int("pairs", 15, "pairs of runs")
	worker := flag.Bool("worker", false, "answer on standard output")
	flag.Parse()
	var err error
	if *worker {
		err = work(*model, os.Stdin, os.Stdout)
	} else {
		err = compare(*model, *pairs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "order:", err)
		os.Exit(1)
	}
}

// works are the pieces of work by name: tokens of the prompt, tokens generated.
var works = []struct {
	name             string
	prompt, generate int
}{{"pp512", 512, 0}, {"tg64", 1, 64}}

// work names the CPU level on out, then does the piece that each line of in names and answers with its processor time
// in ns.
func work(model string, in io.Reader, out io.Writer) error {
	m, err := engine.Open(model, engine.WithThreads(1))
	if err != nil {
		return err
	}
	defer m.Close()
	fmt.Fprintln(out, m.Level().Name)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		prompt, generate, err := lengths(lines.Text())
		if err != nil {
			return err
		}
		tokens := make([]int32, prompt+generate) // the same in both builds
		for i := range tokens {
			tokens[i] = int32((i*7919 + 13) % (m.Spec.Vocab - 100))
		}
		s := m.NewSession()
		start := processorTime()
		for n := prompt; n <= len(tokens); n++ {
			if _, err := s.Eval(context.Background(), tokens[:n]); err != nil {
				return err
			}
		}
		fmt.Fprintln(out, processorTime()-start)
		s.Close()
	}
	return lines.Err()
}

// lengths are those of a piece of work. An unknown one must end the worker: who asked waits for an answer.
func lengths(name string) (prompt, generate int, err error) {
	for _, w := range works {
		if w.name == name {
			return w.prompt, w.generate, nil
		}
	}
	return 0, 0, fmt.Errorf("unknown work %q", name)
}

func processorTime() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// build is one of the two programs, running.
type build struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func start(dir, tags, model string) (*build, string, error) {
	bin := filepath.Join(dir, "order-"+tags)
	if out, err := exec.Command("go", "build", "-tags", tags, "-o", bin, "./bench/order").CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	cmd := exec.Command(bin, "-worker", "-model", model)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	b := &build{}
	var err error
	if b.in, err = cmd.StdinPipe(); err != nil {
		return nil, "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	b.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	var level string
	_, err = fmt.Fscanln(b.out, &level)
	return b, level, err
}

func (b *build) run(name string) (ns float64, err error) {
	if _, err = fmt.Fprintln(b.in, name); err == nil {
		_, err = fmt.Fscanln(b.out, &ns)
	}
	return ns, err
}

func compare(model string, pairs int) error {
	if model == "" || pairs < 1 {
		return fmt.Errorf("-model is %q and -pairs %d, want a GGUF file and 1 or more", model, pairs)
	}
	dir, err := os.MkdirTemp("", "order")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	canonical, level, err := start(dir, "canonical", model)
	if err != nil {
		return err
	}
	free, _, err := start(dir, "freeorder", model)
	if err != nil {
		return err
	}
	defer canonical.in.Close()
	defer free.in.Close()
	for _, w := range works {
		times := [2][]float64{}
		var ratios []float64
		for i := range pairs + 1 {
			both := []*build{canonical, free}
			var ns [2]float64
			for j := range both {
				k := (i + j) % 2 // who goes first takes turns too
				if ns[k], err = both[k].run(w.name); err != nil {
					return err
				}
			}
			if i == 0 {
				continue // warm-up
			}
			times[0], times[1] = append(times[0], ns[0]), append(times[1], ns[1])
			ratios = append(ratios, ns[0]/ns[1])
		}
		drawn := make([]float64, len(ratios))
		lo, hi := stats.Interval(1, 0.95, func(r *stats.Rand) float64 {
			stats.Draw(r, drawn, ratios)
			return stats.Median(drawn)
		})
		tokens := float64(w.prompt + w.generate)
		fmt.Printf("%s %s: canonical %.1f, free %.1f tokens/s of processor time (medians of %d); canonical/free time %.3f [%.3f, %.3f]\n",
			level, w.name, tokens*1e9/stats.Median(times[0]), tokens*1e9/stats.Median(times[1]), pairs, stats.Median(ratios), lo, hi)
	}
	return nil
}
