package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/quant"
)

type quantizeCmd struct {
	In     string `arg:"" optional:"" help:"GGUF file or catalogue name; without OUT a recipe, whose quantize stage runs (default freehold.yaml)."`
	Out    string `arg:"" optional:"" help:"File to write."`
	Format string `short:"f" help:"Number format: ${mixes}." placeholder:"FORMAT"`
	Force  bool   `help:"Overwrite OUT."`
	jobFlags
}

// quantized is freehold/quantize/1.
type quantized struct {
	Schema string   `json:"schema"`
	In     string   `json:"in"`
	Out    string   `json:"out"`
	Format string   `json:"format"`
	From   int64    `json:"bytes_in"`
	To     int64    `json:"bytes_out"`
	Notes  []string `json:"notes"`
}

func (c *quantizeCmd) Run(a *app) error {
	if c.Out == "" {
		switch {
		case c.Format != "":
			return usagef("--format needs IN and OUT files; the recipe's stage takes its formats from the recipe")
		case c.In == "":
			c.In = "freehold.yaml"
		}
		return c.stages(a, c.In, distill.Stages{Only: "quantize"})
	}
	if c.Format == "" {
		return usagef("--format is missing, want one of: %s", helpVars()["mixes"])
	}
	mix, err := quant.MixByName(c.Format)
	if err != nil {
		return usagef("%s", errorText(err))
	}
	if _, err := c.level(); err != nil {
		return err
	}
	f, err := openFile(c.In)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read-only
	in, err := os.Stat(f.Name)
	if err != nil {
		return err
	}
	if out, err := os.Stat(c.Out); err == nil {
		if os.SameFile(in, out) {
			return usagef("%s is the input itself; write to another file", c.Out)
		}
		if !c.Force {
			return usagef("%s is there already; --force overwrites it", c.Out)
		}
	}
	if _, err := os.Stat(filepath.Dir(c.Out)); err != nil {
		return asInput(err)
	}
	threads := c.Threads
	if threads == 0 {
		threads = defaultThreads()
	}
	pool := engine.NewPool(threads)
	defer pool.Close()
	rate := newRate()
	w, notes, err := models.Requantize(f, mix, models.RequantizeOptions{
		Parallel: func(n int, fn func(i int)) { pool.Run(n, func(_, i int) { fn(i) }) },
		Progress: func(done, total int64) error {
			a.progress.show(rate.line("quantizing", done, total, 0), false)
			return a.ctx.Err()
		},
	})
	if err != nil {
		return asInput(err)
	}
	for _, n := range notes {
		a.note("%s", n)
	}
	if err := w.WriteTo(c.Out); err != nil {
		if errors.Is(err, models.ErrWeights) {
			return asInput(err)
		}
		return err
	}
	st, err := os.Stat(c.Out)
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(quantized{"freehold/quantize/1", c.In, c.Out, mix.Name, f.Size, st.Size(), append([]string{}, notes...)})
	}
	a.write("%s\t%s\t%s -> %s\n", c.Out, mix.Name, size(f.Size), size(st.Size()))
	return nil
}
