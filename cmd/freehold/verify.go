package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill"
)

type verifyCmd struct {
	Run_      string `arg:"" name:"run" optional:"" default:"runs/latest" help:"Run folder, or the folder of a bundle; with --signature also a model folder or file."`
	Reproduce bool   `help:"Run the recipe again in a temporary folder, too, and compare every file of both."`
	Inputs    string `help:"With --reproduce: folder at which the recipe's relative paths begin; default: the one that holds runs." placeholder:"DIR" type:"path"`
	trustFlags
	computeFlags
	lockFlags
}

func (*verifyCmd) Help() string {
	return "Files are held against manifest.json, this against SHA256SUMS and its own seal, the entries of lineage.jsonl against each other and against the files. " +
		"What differs is named, and the exit code is 6. --reproduce takes as long as the run did."
}

// verified is freehold/verify/1.
type verified struct {
	Schema string `json:"schema"`
	Dir    string `json:"dir"`
	Ok     bool   `json:"ok"`
	*distill.Verification
	Signature  *signatureCheck       `json:"signature,omitempty"`
	Reproduced *distill.Reproduction `json:"reproduced,omitempty"`
}

func (c *verifyCmd) Run(a *app) error {
	if c.Inputs != "" && !c.Reproduce {
		return usagef("--inputs says where a recipe's paths begin, which only --reproduce reads")
	}
	level, err := c.level()
	if err != nil {
		return err
	}
	d := verified{Schema: "freehold/verify/1", Dir: c.Run_, Verification: &distill.Verification{Files: []distill.FileCheck{}}}
	if d.Signature, err = c.check(c.Run_); err != nil {
		return err
	}
	run := c.Run_
	if distill.IsBundle(c.Run_) {
		if d.Verification, run, err = distill.VerifyBundle(c.Run_); err != nil {
			return err
		}
	} else if d.Signature == nil || c.Reproduce || isRun(c.Run_) {
		if d.Verification, err = distill.Verify(c.Run_); err != nil {
			return err
		}
	}
	bad := d.Bad()
	d.Ok = len(bad) == 0 && d.Signature.ok()
	if c.Reproduce && d.Ok {
		follow := stageTimes{a: a}
		held, err := c.lock(a, os.TempDir(), "") // which it leaves empty
		if err != nil {
			return err
		}
		d.Reproduced, err = distill.Reproduce(a.ctx, run, c.Inputs, distill.Options{Threads: c.Threads, Level: level.Name, Enforced: held,
			Progress: follow.event, Warn: func(s string) { a.warn("%s", s) }})
		a.progress.clear()
		if err != nil {
			return err
		}
		d.Ok = len(d.Reproduced.Different()) == 0
	}
	if a.json {
		if err := a.emit(d); err != nil {
			return err
		}
	} else {
		c.show(a, &d, bad)
	}
	if !d.Ok {
		return quietError(exitVerify)
	}
	return nil
}

// isRun tells whether a path is a finished run's folder, not another model's.
func isRun(path string) bool {
	dir, err := distill.RunFolder(path)
	if err != nil {
		return false
	}
	for _, name := range []string{"SHA256SUMS", "manifest.json"} { // a release has the first
		if found, err := hasFile(filepath.Join(dir, name)); err != nil || !found {
			return false
		}
	}
	return true
}

func (c *verifyCmd) show(a *app, d *verified, bad []distill.FileCheck) {
	rows := [][]string{}
	good := 0
	for _, f := range d.Files {
		if f.State == "ok" {
			good++
			continue
		}
		rows = append(rows, []string{f.State, f.Name, f.Note})
	}
	d.Signature.show(a)
	if len(d.Files) == 0 {
		return
	}
	a.columns(rows)
	a.note("%s: %d files are as the run wrote them, %d are not", c.Run_, good, len(bad))
	if h := d.Held; h != nil {
		a.note("connections were denied in %d of %d stages, changing files outside of the runs in %d", h.Connections, h.Stages, h.Writes)
	}
	r := d.Reproduced
	if r == nil {
		if c.Reproduce {
			a.note("not run again: what is not as the run wrote it cannot be compared")
		}
		return
	}
	if r.Labels != "" {
		a.note("%s", r.Labels)
	}
	rows = nil
	for _, f := range r.Files {
		rows = append(rows, []string{f.State, f.Name, f.Note})
	}
	a.columns(rows)
	different := r.Different()
	if len(different) > 0 {
		first := different[0]
		a.note("the second run differs; first in %s: %s", first.Name, strings.TrimSuffix(first.State+", "+first.Note, ", "))
		return
	}
	a.note("run again in %s: %d files are the same; then on CPU level %s with %d threads, now on %s with %d", short(time.Duration(r.Seconds*float64(time.Second))), r.Equal(),
		r.First.Level, r.First.Threads, r.Second.Level, r.Second.Threads)
}
