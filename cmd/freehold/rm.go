package main

import (
	"errors"

	"github.com/freehold-slm/freehold/models"
)

type rmCmd struct {
	Name []string `arg:"" complete:"catalogue" help:"Names of the catalogue."`
}

// removed is freehold/rm/1.
type removed struct {
	Schema string   `json:"schema"`
	Names  []string `json:"names"`
	Bytes  int64    `json:"bytes"`
}

func (c *rmCmd) Run(a *app) error {
	d := removed{Schema: "freehold/rm/1", Names: []string{}}
	for _, name := range c.Name { // all names are known before anything goes
		if _, err := findArtefact(name); err != nil {
			return err
		}
	}
	for _, name := range c.Name {
		n, err := models.Remove(name)
		var missing *models.NotPulledError
		if errors.As(err, &missing) {
			return inputf("%s is not in the cache (%s)", name, missing.Path)
		}
		if err != nil {
			return err
		}
		d.Names = append(d.Names, name)
		d.Bytes += n
	}
	if a.json {
		return a.emit(d)
	}
	a.note("freed %s", size(d.Bytes))
	return nil
}
