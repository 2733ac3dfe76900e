package main

import "strings"

type licenceCmd struct {
	Name []string `arg:"" optional:"" complete:"catalogue" help:"Names of the catalogue; default: all."`
}

// licences is freehold/licence/1.
type licences struct {
	Schema string       `json:"schema"`
	Items  []licenceRow `json:"items"`
}

type licenceRow struct {
	Name    string   `json:"name"`
	Licence string   `json:"licence"`
	Basis   string   `json:"basis"`
	Passes  bool     `json:"passes"`
	Verdict string   `json:"verdict"`
	Note    string   `json:"note"`
	Duties  []string `json:"duties"`
}

func (*licenceCmd) Help() string {
	return "The gate lets a permissive licence pass that the file itself states, and asks for a declaration everywhere else. Not legal advice."
}

func (c *licenceCmd) Run(a *app) error {
	items := catalogue()
	if len(c.Name) > 0 {
		items = nil
		for _, n := range c.Name {
			it, err := findArtefact(n)
			if err != nil {
				return err
			}
			items = append(items, it)
		}
	}
	d := licences{Schema: "freehold/licence/1", Items: []licenceRow{}}
	rows := [][]string{{"NAME", "LICENCE", "BASIS", "GATE"}}
	for _, it := range items {
		l := it.Licence
		d.Items = append(d.Items, licenceRow{it.Name, l.ID, string(l.Basis), l.Check(it.Name, "") == nil, verdict(it), l.Note, append([]string{}, l.Duties...)})
		rows = append(rows, []string{it.Name, l.ID, strings.ReplaceAll(string(l.Basis), "_", " "), verdict(it)})
	}
	if a.json {
		return a.emit(d)
	}
	a.columns(rows)
	return nil
}
