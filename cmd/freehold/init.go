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

	Data        string   `type:"path" placeholder:"FILE" help:"Rows of your own (JSONL, CSV, TSV, or a folder of texts): the recipe is for a classifier of them, not from a template."`
	Labels      []string `help:"With --data: the classes, if not those that its rows have."`
	TextColumn  string   `placeholder:"NAME" help:"With --data: what it calls the text, if not text."`
	LabelColumn string   `placeholder:"NAME" help:"With --data: what it calls the label, if not label."`
	Teacher     string   `default:"smollm2-135m-instruct" help:"With --data: the model that labels and is cut down."`

	Force bool `help:"Overwrite files that are there."`
}

// started is freehold/init/1.
type started struct {
	Schema   string   `json:"schema"`
	Template string   `json:"template,omitempty"`
	Files    []string `json:"files"`
}

func (c *initCmd) Run(a *app) error {
	files, err := c.files()
	if err != nil {
		return err
	}
	d := started{Schema: "freehold/init/1", Template: c.Template}
	if c.Data != "" {
		d.Template = ""
	}
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

// files are what init writes, by relative path.
func (c *initCmd) files() (map[string][]byte, error) {
	if c.Data != "" {
		b, err := distill.OwnRecipe(distill.OwnData{Folder: c.Folder, Data: c.Data, Columns: distill.Columns{Text: c.TextColumn, Label: c.LabelColumn}, Labels: c.Labels, Teacher: c.Teacher})
		return map[string][]byte{"freehold.yaml": b}, err
	}
	if c.Labels != nil || c.TextColumn != "" || c.LabelColumn != "" {
		return nil, usagef("--labels, --text-column and --label-column are about the rows of --data FILE, which is missing")
	}
	if known := distill.Templates(); !slices.Contains(known, c.Template) {
		return nil, usagef("unknown template %q, want one of: %s", c.Template, strings.Join(known, ", "))
	}
	return distill.Template(c.Template)
}
