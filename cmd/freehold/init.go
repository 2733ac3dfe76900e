package main

import (
	"bytes"
	"maps"
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

	CI    string `name:"ci" placeholder:"SYSTEM" help:"Write a CI job for the recipe, too: github or gitlab. A recipe that is there stays as it is."`
	Force bool   `help:"Overwrite files that are there."`
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
	d := started{Schema: "freehold/init/1", Template: c.Template, Files: slices.Sorted(maps.Keys(files))}
	if c.Data != "" || c.keeps() {
		d.Template = ""
	}
	for path, content := range files { // nothing is written when anything is in the way
		if have, err := os.ReadFile(path); err == nil && !bytes.Equal(have, content) && !c.Force {
			return usagef("%s is there already and differs; --force overwrites it", path)
		}
	}
	for path, content := range files {
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
	a.note("next: %s", c.next())
	return nil
}

// next is what a user does then.
func (c *initCmd) next() string {
	next := "freehold plan, then freehold apply"
	if filepath.Clean(c.Folder) != "." {
		next = "cd " + c.Folder + "; " + next
	}
	if c.Data != "" {
		next = "say in task.prompt of freehold.yaml what the labels mean; " + next
	}
	return next
}

// recipePath is where the recipe stands, or will.
func (c *initCmd) recipePath() string { return filepath.Join(c.Folder, "freehold.yaml") }

// keeps tells whether a recipe is there that only a CI job is written for.
func (c *initCmd) keeps() bool {
	found, err := hasFile(c.recipePath())
	return c.CI != "" && c.Data == "" && err == nil && found
}

// files are what init writes, by path.
func (c *initCmd) files() (map[string][]byte, error) {
	all := map[string][]byte{}
	if !c.keeps() {
		made, err := c.recipe()
		if err != nil {
			return nil, err
		}
		for name, content := range made {
			all[filepath.Join(c.Folder, filepath.FromSlash(name))] = content
		}
	}
	if c.CI == "" {
		return all, nil
	}
	if !slices.Contains(distill.CIs(), c.CI) {
		return nil, usagef("--ci is %q, want one of: %s", c.CI, strings.Join(distill.CIs(), ", "))
	}
	text := all[c.recipePath()]
	if text == nil {
		var err error
		if text, err = os.ReadFile(c.recipePath()); err != nil {
			return nil, err
		}
	}
	r, err := distill.ParseRecipe(c.recipePath(), text)
	if err != nil {
		return nil, err
	}
	file, text, err := distill.Workflow(c.CI, r)
	all[file] = text
	return all, err
}

// recipe is the recipe with its files, by name.
func (c *initCmd) recipe() (map[string][]byte, error) {
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
