package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

type quantizeCmd struct {
	In     string `arg:"" optional:"" complete:"model" help:"GGUF file or catalogue name; without OUT a recipe, whose quantize stage runs (default freehold.yaml)."`
	Out    string `arg:"" optional:"" help:"File to write."`
	Format string `short:"f" complete:"mix" help:"Number format: ${mixes}." placeholder:"FORMAT"`
	Force  bool   `help:"Overwrite OUT."`

	Tensor []string `sep:"none" help:"Give the matrices whose name REGEX is found in a format of their own; may be repeated, the first that fits counts." placeholder:"REGEX=TYPE"`

	Imatrix     string `help:"Importance matrix (a GGUF file of llama.cpp's llama-imatrix or of --imatrix-out): columns that see large activations are packed more exactly." placeholder:"FILE"`
	ImatrixFrom string `help:"Gather the importance matrix by running IN on the texts of task data." placeholder:"DATA.jsonl"`
	ImatrixOut  string `help:"Also write what --imatrix-from gathered." placeholder:"FILE"`
	policyFlag
	stageFlags
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
		case c.Tensor != nil || c.Imatrix != "" || c.ImatrixFrom != "" || c.ImatrixOut != "":
			return usagef("--tensor and --imatrix need IN and OUT files")
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
	level, err := c.level()
	if err != nil {
		return err
	}
	overrides, err := c.overrides()
	if err != nil {
		return err
	}
	if err := c.obeyFile(a, "export", c.In); err != nil {
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
	if c.ImatrixFrom != "" { // what is wrong with the rest is told before the gathering
		if _, _, err := models.Requantize(f, mix, models.RequantizeOptions{Overrides: overrides}); err != nil {
			return asInput(err)
		}
	}
	importance, err := c.importance(a, f, level, threads)
	if err != nil {
		return err
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
		Importance: importance,
		Overrides:  overrides,
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

func (c *quantizeCmd) overrides() ([]models.Override, error) {
	var all []models.Override
	for _, text := range c.Tensor {
		o, err := models.ParseOverride(text)
		if err != nil {
			return nil, usagef("--tensor %v", err)
		}
		all = append(all, o)
	}
	return all, nil
}

// importance reads or gathers the importance matrix; nil where none is asked for.
func (c *quantizeCmd) importance(a *app, f *gguf.File, level *kernels.Level, threads int) (*models.Importance, error) {
	switch {
	case c.Imatrix != "" && c.ImatrixFrom != "":
		return nil, usagef("--imatrix and --imatrix-from are both given; keep one")
	case c.ImatrixOut != "" && c.ImatrixFrom == "":
		return nil, usagef("--imatrix-out writes what --imatrix-from gathers, which is missing")
	case c.Imatrix != "":
		file, err := gguf.Open(c.Imatrix)
		if err != nil {
			return nil, asInput(err)
		}
		defer file.Close() //nolint:errcheck // read-only
		p, err := models.ReadImportance(file)
		return p, asInput(err)
	case c.ImatrixFrom == "":
		return nil, nil
	}
	if c.ImatrixOut != "" && !c.Force {
		if _, err := os.Stat(c.ImatrixOut); err == nil {
			return nil, usagef("%s is there already; --force overwrites it", c.ImatrixOut)
		}
	}
	texts, err := data.Texts(c.ImatrixFrom)
	if err != nil {
		return nil, err
	}
	m, err := engine.New(f, engine.WithLevel(level), engine.WithThreads(threads), engine.WithNumeric(engine.Reference))
	if err != nil {
		return nil, asInput(err)
	}
	defer m.Close() //nolint:errcheck // read-only
	p, err := m.Importance(a.ctx, texts, func(done, total int) error {
		a.progress.show(fmt.Sprintf("gathering importances  %d of %d texts", done, total), false)
		return a.ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	p.Datasets = []string{filepath.Base(c.ImatrixFrom)}
	if c.ImatrixOut != "" {
		return p, p.Writer().WriteTo(c.ImatrixOut)
	}
	return p, nil
}
