// Command methods runs the ways of making a student against each other on the demo task, at equal tokens, and prints a
// table: where a student's weights come from, what it learns from, and what training for a format
// (quantisation-aware) wins back of what packing loses. Runs are resumed, and labels are shared by all.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/freehold-slm/freehold/distill"
)

func main() {
	dir := flag.String("dir", "runs/methods", "folder of the recipes and their runs")
	threads := flag.Int("threads", 0, "0 = all processors")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *dir, *threads); err != nil {
		fmt.Fprintln(os.Stderr, "methods:", err)
		os.Exit(1)
	}
}

// recipe is one run: the demo's task with some rows of its data. %s: name, student, train.
const recipe = `version: 1
name: %s
task:
  type: classify
  labels: [negative, positive]
  prompt: "Is the sentiment of this movie review snippet positive or negative? Answer with one word.\n\nReview: {text}"
teacher: {model: smollm2-135m-instruct, calibration: median}
student: {%s}
data: {source: movie-review-snippets, licence: unknown, train_rows: 1500, valid_rows: 1, test_rows: 2000}
train: {steps: 75, batch: 32, precision: bf16, seed: 7, %s}
%s
`

// Students: the demo's, and one with widths of whole super-blocks (256), so that every matrix takes its K format.
const (
	demo   = "layers: 8"
	narrow = "layers: 2, width: {dim: 512, ffn: 1536, heads: 4, kv_heads: 2}"
	random = "init: random, freeze: []"
)

// methods are the runs, by name: what the student is, how it learns, and what it is packed as afterwards.
var methods = []struct{ name, student, train, more string }{
	{"demo", demo + ", format: f16", "lr: 0.0002", "quantize: [q4_0]"},
	{"demo-q4_0", demo + ", format: q4_0", "lr: 0.0002, quantize: q4_0", ""},
	{"demo-ce", demo + ", format: f16", "lr: 0.0002, loss: ce", ""},
	{"demo-random", demo + ", format: f16, " + random, "lr: 0.001", ""},
	{"narrow", narrow + ", format: f16", "lr: 0.0002", "quantize: [q2_k]"},
	{"narrow-q2_k", narrow + ", format: q2_k", "lr: 0.0002, quantize: q2_k", ""},
	{"demo-random-slow", demo + ", format: f16, " + random, "lr: 0.0002", ""},
}

func run(ctx context.Context, dir string, threads int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, m := range methods {
		path := filepath.Join(dir, m.name+".yaml")
		if err := os.WriteFile(path, fmt.Appendf(nil, recipe, m.name, m.student, m.train, m.more), 0o666); err != nil {
			return err
		}
		r, err := distill.LoadRecipe(path)
		if err != nil {
			return err
		}
		job, err := distill.NewJob(ctx, r, distill.Options{Threads: threads, Run: m.name, Warn: func(s string) { fmt.Fprintf(os.Stderr, "%s: %s\n", m.name, s) }})
		if err != nil {
			return err
		}
		sum, err := job.Apply(ctx, distill.Stages{})
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: accuracy %.4f, agreement %.4f, seconds %v\n", m.name, sum.Student.Accuracy, sum.Agreement, sum.Seconds)
	}
	return table(os.Stdout, filepath.Join(dir, "runs"))
}
