package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill"
)

type initCmd struct {
	Folder   string `arg:"" optional:"" default:"." help:"Where to put it."`
	Template string `default:"sentiment" complete:"template" help:"One of: ${templates}."`
	Force    bool   `help:"Overwrite files that are there."`
}

// started is freehold/init/1.
type started struct {
	Schema   string   `json:"schema"`
	Template string   `json:"template"`
	Files    []string `json:"files"`
}

func (c *initCmd) Run(a *app) error {
	if known := distill.Templates(); !slices.Contains(known, c.Template) {
		return usagef("unknown template %q, want one of: %s", c.Template, strings.Join(known, ", "))
	}
	files, err := distill.Template(c.Template)
	if err != nil {
		return err
	}
	d := started{Schema: "freehold/init/1", Template: c.Template}
	for name := range files {
		d.Files = append(d.Files, filepath.Join(c.Folder, filepath.FromSlash(name)))
	}
	slices.Sort(d.Files)
	for name, content := range files { // nothing is written when anything is in the way
		path := filepath.Join(c.Folder, filepath.FromSlash(name))
		if have, err := os.ReadFile(path); err == nil && !bytes.Equal(have, content) && !c.Force {
			return usagef("%s is there already and differs; --force overwrites it", path)
		}
	}
	for name, content := range files {
		path := filepath.Join(c.Folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			return err
		}
	}
	if a.json {
		return a.emit(d)
	}
	for _, f := range d.Files {
		a.write("%s\n", f)
	}
	a.note("next: freehold plan, then freehold apply")
	return nil
}
