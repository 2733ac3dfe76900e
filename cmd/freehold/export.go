package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"github.com/freehold-slm/freehold/distill"
)

type exportCmd struct {
	Run_        string `arg:"" name:"run" optional:"" default:"runs/latest" help:"Folder of a finished run."`
	Bundle      string `required:"" placeholder:"FILE" help:"The tar to write."`
	WithData    bool   `help:"With the rows; else their hashes alone."`
	WithTeacher bool   `help:"With the teacher's and the student base's files; else their hashes alone."`
	Program     string `type:"path" placeholder:"FILE" help:"The freehold binary to put in, for another system; default: the one that runs."`
	Inputs      string `type:"path" placeholder:"DIR" help:"Folder at which the recipe's relative paths begin; default: the one that holds runs."`
	Force       bool   `help:"Overwrite a file that is there."`
}

func (*exportCmd) Help() string {
	return "A bundle is one tar with the program, the run (weights, lock, labels, report, papers), recipe, policy and SHA256SUMS: for machines without a network. " +
		"tar xf unpacks it; freehold verify FOLDER checks every file. With --with-data and --with-teacher, freehold apply --offline and verify --reproduce work there too. The same run and program give the same bytes."
}

// exported is freehold/export/1.
type exported struct {
	Schema string                `json:"schema"`
	File   string                `json:"file"`
	Bytes  int64                 `json:"bytes"`
	SHA256 string                `json:"sha256"`
	Files  int                   `json:"files"`
	Inputs []distill.BundleInput `json:"inputs"`
}

func (c *exportCmd) Run(a *app) error {
	if found, err := hasFile(c.Bundle); err != nil {
		return err
	} else if found && !c.Force {
		return usagef("%s is there already; --force overwrites it", c.Bundle)
	}
	tmp := c.Bundle + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	h := sha256.New()
	n := &counter{}
	b, err := distill.WriteBundle(a.ctx, io.MultiWriter(f, h, n), c.Run_, distill.BundleOptions{Program: c.Program, Data: c.WithData, Teacher: c.WithTeacher, Inputs: c.Inputs})
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, c.Bundle)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	d := exported{"freehold/export/1", c.Bundle, n.bytes, hex.EncodeToString(h.Sum(nil)), len(b.Files) + 2, b.Inputs}
	if a.json {
		return a.emit(d)
	}
	a.write("%s  %s\n", d.SHA256, d.File)
	a.note("%d files, %s", d.Files, size(d.Bytes))
	for _, in := range d.Inputs {
		if in.Path == "" {
			a.note("not in it: %s %s", in.Role, in.Name)
		}
	}
	return nil
}

// counter counts what is written.
type counter struct{ bytes int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += int64(len(b))
	return len(b), nil
}
