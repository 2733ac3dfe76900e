package main

import (
	"log/slog"
	"os"
	"slices"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/models"
)

type pullCmd struct {
	Name          []string `arg:"" optional:"" complete:"catalogue" help:"Names of the catalogue (see ls)."`
	All           bool     `help:"All models and data sets of the catalogue."`
	Recipe        string   `help:"What this recipe names of the catalogue, under the licences that it declares." placeholder:"FILE"`
	AcceptLicence []string `aliases:"accept-license" sep:"," help:"Licence id that you declare or accept where the gate asks for it." placeholder:"ID"`
	Reason        string   `help:"Why you may, with --accept-licence; goes into the record beside the file." placeholder:"TEXT"`
	policyFlag
	Verbose bool `short:"v" help:"Tell which source is used and why another was not."`
}

// pulled is freehold/pull/1.
type pulled struct {
	Schema string      `json:"schema"`
	Files  []pulledRow `json:"files"`
}

type pulledRow struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func (c *pullCmd) Run(a *app) error {
	items, err := c.items()
	if err != nil {
		return err
	}
	a.resumable = true
	doc := pulled{Schema: "freehold/pull/1", Files: []pulledRow{}}
	var failed error
	for _, it := range items {
		path, err := c.pull(a, it)
		a.progress.clear()
		if err != nil {
			if a.ctx.Err() != nil {
				return err
			}
			if failed != nil { // the last one ends the command
				a.fail(failed)
			}
			failed = err
			continue
		}
		doc.Files = append(doc.Files, pulledRow{it.Name, path, it.Bytes, it.SHA256})
		if !a.json {
			a.write("%s\t%s\n", it.Name, path)
		}
	}
	if a.json {
		if err := a.emit(doc); err != nil {
			return err
		}
	}
	return failed
}

// artefact is a model or a data set of the catalogue.
type artefact struct {
	models.Artefact
	kind  string // model, data
	path  func() (string, error)
	entry models.Entry
	data  models.DataEntry

	accept, reason string // what a recipe declares
}

// catalogue lists models, then data sets.
func catalogue() []artefact {
	var all []artefact
	for _, e := range models.Catalog() {
		all = append(all, artefact{Artefact: e.Artefact, kind: "model", path: e.Path, entry: e})
	}
	for _, e := range models.DataCatalog() {
		all = append(all, artefact{Artefact: e.Artefact, kind: "data", path: e.Path, data: e})
	}
	return all
}

// findArtefact finds a catalogue name.
func findArtefact(name string) (artefact, error) {
	all := catalogue()
	i := slices.IndexFunc(all, func(x artefact) bool { return x.Name == name })
	if i >= 0 {
		return all[i], nil
	}
	_, err := models.Lookup(name)
	if _, dataErr := models.LookupData(name); suggests(dataErr) && !suggests(err) {
		err = dataErr
	}
	return artefact{}, err
}

func suggests(err error) bool {
	u, ok := err.(*models.UnknownNameError)
	return ok && u.Suggest != ""
}

func (c *pullCmd) items() ([]artefact, error) {
	switch {
	case c.Recipe != "" && (c.All || len(c.Name) > 0), c.All && len(c.Name) > 0:
		return nil, usagef("names, --all and --recipe are ways to say the same; keep one")
	case c.Recipe != "":
		return ofRecipe(c.Recipe)
	case c.All:
		return catalogue(), nil
	case len(c.Name) == 0:
		return nil, usagef("no name: give names of the catalogue (freehold ls), or --all")
	}
	var items []artefact
	for _, n := range c.Name {
		it, err := findArtefact(n)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// ofRecipe is what a recipe names of the catalogue.
func ofRecipe(file string) (items []artefact, err error) {
	r, err := distill.LoadRecipe(file)
	if err != nil {
		return nil, err
	}
	for _, w := range r.Wanted() {
		it, err := findArtefact(w.Name)
		if err != nil {
			return nil, err
		}
		it.accept, it.reason = w.Licence, w.Reason
		items = append(items, it)
	}
	return items, nil
}

func (c *pullCmd) pull(a *app, it artefact) (string, error) {
	o := models.PullOptions{Offline: a.offline, AcceptLicence: it.accept, Reason: it.reason}
	if len(c.AcceptLicence) > 0 {
		o.AcceptLicence, o.Reason = c.AcceptLicence[0], c.Reason
		if slices.Contains(c.AcceptLicence, it.Licence.ID) {
			o.AcceptLicence = it.Licence.ID
		}
	}
	if err := c.obey(a, "pull", it.Licence.Input(map[bool]string{true: "data", false: "model"}[it.kind == "data"], it.Name, o.AcceptLicence, o.Reason)); err != nil {
		return "", err
	}
	if c.Verbose {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	rate, from := newRate(), int64(-1)
	o.Progress = func(done, total int64, what string) {
		if from < 0 {
			from = done
		}
		a.progress.show(rate.line(it.Name, done, total, from)+"  "+what, false)
	}
	if it.kind == "data" {
		return models.PullData(a.ctx, it.data, o)
	}
	return models.Pull(a.ctx, it.entry, o)
}
