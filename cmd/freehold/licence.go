package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/sarif"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/licence"
)

type licenceCmd struct {
	Name          []string    `arg:"" optional:"" complete:"model" help:"Catalogue names, GGUF files, or ids of licences such as Gemma; default: the catalogue as a list."`
	For           licence.Use `enum:"distil,serve,distribute" default:"distil" help:"The use to judge: distil (train on it or its outputs), serve, distribute."`
	AcceptLicence string      `aliases:"accept-license" help:"Judge as if you declared or accepted this licence." placeholder:"ID"`
	Reason        string      `help:"Why you may, with --accept-licence." placeholder:"TEXT"`
	Sarif         bool        `help:"Print the findings as SARIF 2.1.0."`
}

// licences is freehold/licence/1.
type licences struct {
	Schema string       `json:"schema"`
	Items  []licenceRow `json:"items"`
}

type licenceRow struct {
	Name    string           `json:"name"`
	Licence string           `json:"licence"`
	Basis   string           `json:"basis"`
	Passes  bool             `json:"passes"` // the gate of pull, with nothing accepted
	Note    string           `json:"note"`
	Asks    []string         `json:"asks"` // beside the verdict's findings
	Verdict *licence.Verdict `json:"verdict,omitempty"`
	Fact    *licence.Fact    `json:"fact,omitempty"` // of a licence asked for by its id
}

func (*licenceCmd) Help() string {
	return "Says what the licence of a model or data set asks for a use, by section, and refuses (exit code 5) what it forbids, what has to be accepted first, and what nobody has named a licence for. " +
		"The facts are data in the program; those that were not compared with the licence's text are counted as unverified. Not legal advice."
}

func (c *licenceCmd) Run(a *app) error {
	if c.Reason != "" && c.AcceptLicence == "" {
		return usagef("--reason goes with --accept-licence")
	}
	if a.json && c.Sarif {
		return usagef("--json and --sarif are both given; keep one")
	}
	d := licences{Schema: "freehold/licence/1", Items: []licenceRow{}}
	refused := false
	for _, name := range c.Name {
		row, err := c.row(name)
		if err != nil {
			return err
		}
		refused = refused || row.Verdict != nil && row.Verdict.State == licence.Refused
		d.Items = append(d.Items, row)
	}
	if len(c.Name) == 0 {
		for _, it := range catalogue() {
			d.Items = append(d.Items, c.judge(it.Name, it.Licence))
		}
	}
	if err := c.print(a, d); err != nil {
		return err
	}
	if refused {
		return quietError(exitPolicy)
	}
	return nil
}

func (c *licenceCmd) print(a *app, d licences) error {
	switch {
	case a.json:
		return a.emit(d)
	case c.Sarif:
		b, err := licenceSarif(d.Items)
		a.write("%s", b)
		return err
	case len(c.Name) == 0:
		rows := [][]string{{"NAME", "LICENCE", "BASIS", "TO " + strings.ToUpper(string(c.For))}}
		for _, r := range d.Items {
			rows = append(rows, []string{r.Name, r.Licence, strings.ReplaceAll(r.Basis, "_", " "), r.Verdict.State})
		}
		a.columns(rows)
		return nil
	}
	for i, r := range d.Items {
		if i > 0 {
			a.write("\n")
		}
		if r.Fact != nil {
			printFact(a, r.Fact)
			continue
		}
		a.write("%s: to %s it %s\n", r.Name, c.For, map[bool]string{true: "is refused", false: r.Verdict.State}[r.Verdict.State == licence.Refused])
		a.write("  licence %s (%s) %s\n", r.Licence, strings.ReplaceAll(r.Basis, "_", " "), r.Note)
		for _, f := range r.Verdict.Findings {
			a.write("  %s\n", findingText(f))
		}
		for _, s := range r.Asks {
			a.write("  duty     %s\n", s)
		}
		if n := r.Verdict.Unverified; len(n) > 0 {
			a.write("  unverified: the text of %s was not at hand\n", strings.Join(n, ", "))
		}
		if r.Verdict.State == licence.Refused && !r.Passes {
			id := r.Licence
			if r.Basis == string(models.Unknown) {
				id = "ID (the licence that it is under)"
			}
			a.write("  if you may: --accept-licence %s --reason ... here and in pull; teacher.licence, student.licence or data.licence and licence_reason in a recipe\n", id)
		}
	}
	return nil
}

func findingText(f licence.Finding) string {
	head := map[bool]string{true: "duty", false: "REFUSED"}[f.Met]
	if f.How != "" {
		head = "met"
	}
	section := ""
	if f.Section != "" {
		section = fmt.Sprintf(" [%s, section %s]", f.Licence, f.Section)
	}
	text := fmt.Sprintf("%-8s %s: %s%s", head, strings.ReplaceAll(f.Kind, "_", " "), f.Text, section)
	if f.How != "" {
		text += "; " + f.How
	}
	return text
}

func printFact(a *app, f *licence.Fact) {
	a.write("%s: %s (%s)\n", f.ID, f.Name, strings.ReplaceAll(string(f.Class), "_", " "))
	sum := "unverified: no text was at hand"
	if f.Verified() {
		sum = "sha256 " + *f.Source.SHA256 + ", text from " + f.Source.Copy
	}
	a.write("  %s %s\n  %s\n", f.Source.URL, f.Source.Version, sum)
	for _, d := range f.Duties {
		var on []string
		for _, u := range d.On {
			on = append(on, string(u))
		}
		a.write("  %-7s %s: %s [section %s] (%s)\n", d.Effect, strings.ReplaceAll(d.Kind, "_", " "), d.Text, d.Section, strings.Join(on, ", "))
	}
}

// row finds a model, a data set or a licence by what the user typed.
func (c *licenceCmd) row(name string) (licenceRow, error) {
	it, err := findArtefact(name)
	if err == nil {
		return c.judge(it.Name, it.Licence), nil
	}
	path, _, resolveErr := models.Resolve(name)
	if resolveErr != nil {
		if f, ok := licence.Named(name); ok {
			return licenceRow{Name: f.ID, Licence: f.ID, Fact: &f, Asks: []string{}}, nil
		}
		var unknown *models.UnknownNameError
		if errors.As(resolveErr, &unknown) {
			return licenceRow{}, err
		}
		return licenceRow{}, asInput(resolveErr)
	}
	f, err := openFile(path)
	if err != nil {
		return licenceRow{}, err
	}
	defer f.Close() //nolint:errcheck // read-only
	l, err := models.FileLicence(f)
	if err != nil {
		return licenceRow{}, asInput(err)
	}
	return c.judge(name, l), nil
}

func (c *licenceCmd) judge(name string, l models.Licence) licenceRow {
	v := licence.Judge(c.For, []licence.Input{l.Input("model", name, c.AcceptLicence, c.Reason)})
	return licenceRow{Name: name, Licence: l.ID, Basis: string(l.Basis), Passes: l.Check(name, "") == nil, Note: l.Note, Asks: append([]string{}, l.Duties...), Verdict: &v}
}

// licenceSarif renders verdicts: what refuses is an error, what is to be done a note.
func licenceSarif(items []licenceRow) ([]byte, error) {
	rules := []sarif.Rule{{ID: "licence/undeclared", About: "the file states no licence"}, {ID: "licence/unknown", About: "nothing is known of the licence"}, {ID: "licence/conflict", About: "terms that cannot hold together"}}
	for _, k := range licence.Kinds() {
		rules = append(rules, sarif.Rule{ID: "licence/" + k, About: "what a licence asks: " + strings.ReplaceAll(k, "_", " ")})
	}
	slices.SortFunc(rules, func(x, y sarif.Rule) int { return strings.Compare(x.ID, y.ID) })
	var all []sarif.Finding
	for _, r := range items {
		if r.Verdict == nil {
			continue
		}
		for _, f := range r.Verdict.Findings {
			level := "note"
			if !f.Met {
				level = "error"
			}
			all = append(all, sarif.Finding{Rule: "licence/" + f.Kind, Level: level, File: r.Name, Text: findingText(f)})
		}
	}
	return sarif.Document(programVersion(), rules, all)
}
