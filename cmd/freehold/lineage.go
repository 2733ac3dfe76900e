package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/lineage"
)

// lineageDoc is freehold/lineage-graph/1.
type lineageDoc struct {
	Schema  string          `json:"schema"`
	Checked bool            `json:"checked"` // the entries' hashes are right; of a file, whose keys anybody can write, false
	Entries []lineage.Entry `json:"entries"`
	Graph   *lineage.Graph  `json:"graph"`
}

// lineage prints where the model of a run folder or of a GGUF file comes from.
func (c *showCmd) lineage(a *app) error {
	d := lineageDoc{Schema: "freehold/lineage-graph/1", Entries: []lineage.Entry{}}
	dir, err := distill.RunFolder(c.Name)
	if err != nil {
		return err
	}
	if st, err := os.Stat(dir); err != nil {
		return err
	} else if st.IsDir() {
		if d.Entries, err = lineage.Read(filepath.Join(dir, lineage.Name)); err != nil {
			var broken *lineage.EntryError
			if errors.As(err, &broken) {
				a.fail(err)
				return quietError(exitVerify)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return inputf("%s: has no %s: it is no run folder, or one from before runs kept their lineage", dir, lineage.Name)
			}
			return err
		}
		d.Checked, d.Graph = true, lineage.OfChain(filepath.Base(dir), d.Entries)
	} else {
		f, err := openFile(dir)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // read-only
		if d.Graph, err = lineage.OfFile(f); err != nil {
			return err
		}
		d.Graph.Title = filepath.Base(dir)
	}
	switch {
	case c.Dot:
		a.write("%s", d.Graph.DOT())
	case c.SVG:
		a.write("%s", d.Graph.SVG())
	case a.json:
		return a.emit(d)
	case d.Checked:
		a.columns(lineage.Rows(d.Entries))
	default:
		a.columns(d.Graph.Rows())
	}
	return nil
}
