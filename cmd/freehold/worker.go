package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/freehold-slm/freehold/distill"
)

type workerCmd struct {
	Job    string `arg:"" optional:"" default:"freehold.yaml" env:"FREEHOLD_RECIPE" help:"Recipe, its folder, or the folder of a run."`
	Part   string `help:"Label every Nth shard alone, from shard I on: a task of an array, I from 0 to N-1." placeholder:"I/N"`
	Inputs string `help:"Of a run's folder: where its recipe's relative paths begin; default: the folder that holds runs." placeholder:"DIR" type:"path"`
	jobFlags
	takeOverFlag
	lockFlags
}

// takeOverFlag is for all who label.
type takeOverFlag struct {
	TakeOver time.Duration `default:"30s" env:"FREEHOLD_TAKE_OVER" help:"How long another worker may be silent before what it labels is taken over; default 30s." placeholder:"TIME"`
}

func (f *takeOverFlag) check() error {
	if f.TakeOver < 100*time.Millisecond || f.TakeOver > 24*time.Hour {
		return usagef("--take-over is %v, want 100ms to 24h", f.TakeOver)
	}
	return nil
}

func (*workerCmd) Help() string {
	return "Any number of workers, on any machines that see the run's folder, label one run together, with freehold apply or before it. Each ends when all shards (of its part) are there; where the recipe has train.outer, one without a part then trains replicas with the others until the last round is over. " +
		"One that is killed loses nothing: what it was at is taken over. docs/howto/several-machines.md"
}

func (c *workerCmd) Run(a *app) error {
	part := distill.Part{}
	if c.Part != "" {
		var err error
		if part, err = distill.ParsePart(c.Part); err != nil {
			return usagef("--%v", err)
		}
	}
	if err := c.check(); err != nil {
		return err
	}
	o, err := c.options(a)
	if err != nil {
		return err
	}
	o.Patience = c.TakeOver
	j, err := distill.Join(a.ctx, c.Job, c.Inputs, o)
	if err != nil {
		return err
	}
	held, err := c.lock(a, filepath.Dir(j.Dir()), "")
	if err != nil {
		return err
	}
	j.Holds(held)
	w, err := j.Work(a.ctx, part)
	a.progress.clear()
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(w)
	}
	trained := ""
	if w.Units > 0 {
		trained = fmt.Sprintf(", trained %d rounds of replicas", w.Units)
	}
	a.write("worker: labelled %d of %d shards in %s, %d of all are missing%s\n", w.Shards, w.All, w.Run, w.Missing, trained)
	return nil
}
