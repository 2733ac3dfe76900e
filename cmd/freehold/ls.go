package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/freehold-slm/freehold/models"
)

type lsCmd struct {
	Cached bool `help:"Only what is in the cache and in the stores of other programs."`
}

// listing is freehold/ls/1.
type listing struct {
	Schema string       `json:"schema"`
	Cache  string       `json:"cache"`
	Items  []listingRow `json:"items"`
}

type listingRow struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Bytes   int64  `json:"bytes"`
	Format  string `json:"format,omitempty"`
	Licence string `json:"licence"`
	Basis   string `json:"licence_basis"`
	Cached  bool   `json:"cached"`
	Path    string `json:"path"`
	Store   string `json:"store,omitempty"` // the other program whose file it is
}

func (c *lsCmd) Run(a *app) error {
	dir, err := models.CacheDir()
	if err != nil {
		return err
	}
	d := listing{Schema: "freehold/ls/1", Cache: dir, Items: []listingRow{}}
	for _, it := range catalogue() {
		path, err := it.path()
		if err != nil {
			return err
		}
		cached, err := hasFile(path)
		if err != nil {
			return err
		}
		if cached || !c.Cached {
			d.Items = append(d.Items, listingRow{it.Name, it.kind, it.Bytes, it.entry.Format, it.Licence.ID, string(it.Licence.Basis), cached, path, ""})
		}
	}
	for _, s := range models.Stores() {
		d.Items = append(d.Items, listingRow{Name: s.Name, Kind: "model", Bytes: s.Bytes, Licence: "unknown", Basis: string(models.Unknown), Path: s.Path, Store: s.Store})
	}
	if a.json {
		return a.emit(d)
	}
	rows := [][]string{{"NAME", "KIND", "SIZE", "FORMAT", "LICENCE", "CACHED"}}
	for _, it := range d.Items {
		cached, licence := "no", it.Licence
		switch {
		case it.Cached:
			cached = "yes"
		case it.Store != "":
			cached = it.Store
		}
		if it.Basis == string(models.Declared) {
			licence += " (declared)"
		}
		rows = append(rows, []string{it.Name, it.Kind, size(it.Bytes), it.Format, licence, cached})
	}
	a.columns(rows)
	a.note("cache: %s", dir)
	return nil
}

// hasFile tells whether a file is there.
func hasFile(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
