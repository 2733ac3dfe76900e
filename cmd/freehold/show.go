package main

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/models"
)

type showCmd struct {
	Name    string `arg:"" complete:"catalogue" help:"Name of the catalogue (see ls); with --lineage a run folder or a GGUF file; to look into a file use inspect."`
	Lineage bool   `help:"Show where the model of a run folder or a GGUF file comes from."`
	Dot     bool   `help:"With --lineage: as a graph in Graphviz's language."`
	SVG     bool   `name:"svg" help:"With --lineage: as a picture."`
}

func (*showCmd) Help() string {
	return "A run folder's lineage is a chain of entries, each with the hash of the one before: it is checked before it is shown (exit code 6). " +
		"A GGUF file's is what its general.* keys say, which nothing vouches for by itself: freehold verify --signature does for a signed file."
}

// entryDoc is freehold/show/1.
type entryDoc struct {
	Schema       string         `json:"schema"`
	Name         string         `json:"name"`
	Kind         string         `json:"kind"`
	Bytes        int64          `json:"bytes"`
	SHA256       string         `json:"sha256"`
	Path         string         `json:"path"`
	Cached       bool           `json:"cached"`
	Architecture string         `json:"architecture,omitempty"`
	Tokenizer    string         `json:"tokenizer,omitempty"`
	Format       string         `json:"format,omitempty"`
	Rows         int            `json:"rows,omitempty"`
	Layout       string         `json:"layout,omitempty"`
	Template     *templateRow   `json:"template,omitempty"` // of a model in the cache
	Note         string         `json:"note,omitempty"`
	Licence      models.Licence `json:"licence"`
	Verdict      string         `json:"verdict"`
	Sources      []string       `json:"sources"`
}

func (c *showCmd) Run(a *app) error {
	switch {
	case (c.Dot || c.SVG) && !c.Lineage:
		return usagef("--dot and --svg draw a lineage; give --lineage too")
	case c.Dot && c.SVG, (c.Dot || c.SVG) && a.json:
		return usagef("of --dot, --svg and --json give one")
	case c.Lineage:
		return c.lineage(a)
	}
	it, err := findArtefact(c.Name)
	if err != nil {
		if ok, statErr := hasFile(c.Name); ok && statErr == nil {
			return usagef("%s is a file; look into it with: freehold inspect %s, see where it comes from with: freehold show --lineage %s", c.Name, c.Name, c.Name)
		}
		return err
	}
	d := entryDoc{Schema: "freehold/show/1", Name: it.Name, Kind: it.kind, Bytes: it.Bytes, SHA256: it.SHA256,
		Architecture: it.entry.Architecture, Tokenizer: it.entry.Tokenizer, Format: it.entry.Format, Note: it.entry.Note,
		Rows: it.data.Rows, Layout: it.data.Layout, Licence: it.Licence, Verdict: verdict(it), Sources: []string{}}
	if d.Path, err = it.path(); err != nil {
		return err
	}
	if d.Cached, err = hasFile(d.Path); err != nil {
		return err
	}
	if d.Cached && it.entry.Architecture != "" {
		if d.Template, err = cachedTemplate(d.Path); err != nil {
			a.note("%s: its chat template cannot be read: %v", d.Name, errorText(err))
		}
	}
	for _, s := range it.Sources {
		switch n := len(s.Parts); {
		case s.URL != "":
			d.Sources = append(d.Sources, s.URL)
		case n == 1:
			d.Sources = append(d.Sources, s.Parts[0].String())
		default:
			d.Sources = append(d.Sources, fmt.Sprintf("Python packages %s %s to %s", s.Parts[0].Package, s.Parts[0].Version, s.Parts[n-1].Package))
		}
	}
	if a.json {
		return a.emit(d)
	}
	cached := "not in the cache"
	if d.Cached {
		cached = "in the cache: " + d.Path
	}
	rows := [][]string{{"name", d.Name}, {"kind", d.Kind}, {"size", size(d.Bytes)}, {"sha256", d.SHA256}, {"file", cached}}
	add := func(key, value string) {
		if value != "" {
			rows = append(rows, []string{key, value})
		}
	}
	add("architecture", d.Architecture)
	add("tokenizer", d.Tokenizer)
	add("format", d.Format)
	if d.Template != nil {
		add("chat", d.Template.can())
	}
	if d.Rows > 0 {
		add("rows", fmt.Sprint(d.Rows))
	}
	add("layout", d.Layout)
	add("note", d.Note)
	add("licence", fmt.Sprintf("%s (%s)", d.Licence.ID, strings.ReplaceAll(string(d.Licence.Basis), "_", " ")))
	add("", d.Licence.Note)
	for _, duty := range d.Licence.Asks() {
		add("", "- "+duty)
	}
	add("gate", d.Verdict)
	for i, s := range d.Sources {
		add([]string{"source", ""}[min(i, 1)], s)
	}
	a.columns(rows)
	return nil
}

// cachedTemplate reads the chat template of a file in the cache; nil where it has none.
func cachedTemplate(path string) (*templateRow, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read-only
	if !f.Has("tokenizer.chat_template") {
		return nil, nil
	}
	return templateOf(f)
}

// verdict is what the licence gate says without any acceptance.
func verdict(it artefact) string {
	if it.Licence.Check(it.Name, "") == nil {
		return "passes"
	}
	return "asks for --accept-licence " + it.Licence.ID
}
