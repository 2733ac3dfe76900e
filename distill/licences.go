package distill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/licence"
)

// fileLicence reads what a model file says of its own licence; where it is silent the recipe's declaration counts.
func fileLicence(path, declared string) (models.Licence, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return models.Licence{}, err
	}
	defer f.Close()
	l, err := models.FileLicence(f)
	if l.Basis == models.Unknown && declared != "" && declared != l.ID {
		l = models.Licence{ID: declared, Basis: models.Declared}
	}
	return l, err
}

// inputs are what the student is made from, as licences see it. A teacher that is also the base counts as the base, which hands on more.
func (j *Job) inputs() []licence.Input {
	all := []licence.Input{j.base.Licence.Input("base", j.base.Name, j.base.Accepted, j.base.Reason)}
	for _, t := range j.teachers() {
		if t.sha256 != j.base.sha256 {
			all = append(all, t.Licence.Input("teacher", t.Name, t.Accepted, t.Reason))
		}
	}
	if j.maker.sha256 != "" && j.maker.sha256 != j.teacher.sha256 && j.maker.sha256 != j.base.sha256 {
		all = append(all, j.maker.Licence.Input("teacher", j.maker.Name, j.maker.Accepted, j.maker.Reason))
	}
	return append(all, j.dataInputs()...)
}

// dataInputs are the rows, as licences see them.
func (j *Job) dataInputs() (all []licence.Input) {
	r := j.recipe
	switch {
	case r.Data.Source != "":
		if e, err := models.LookupData(r.Data.Source); err == nil {
			all = append(all, e.Licence.Input("data", e.Name, r.Data.Licence, r.Data.Reason))
		}
	case r.Data.Licence != "": // files without one are their owner's, who runs this recipe
		all = append(all, licence.Input{Role: "data", Name: j.datasetName(), Accepted: r.Data.Licence, Reason: r.Data.Reason})
	}
	return all
}

// allowed refuses what the licences of all inputs together do: the strictest counts.
func (j *Job) allowed() error {
	v := licence.Judge(licence.Distil, j.inputs())
	if v.State != licence.Refused {
		return nil
	}
	return &licence.Error{Verdict: v, Fix: "another input is the way out; or, where you have the right, write the licence's id as teacher.licence, student.licence or data.licence and why as licence_reason beside it"}
}

// Licences is what the licences of the inputs say to making the student and to passing it on.
type Licences struct {
	Distil     licence.Verdict `json:"distil"`
	Distribute licence.Verdict `json:"distribute"`
	Declared   []string        `json:"declared"` // what the recipe's owner vouches for, and why
}

func (j *Job) licences() *Licences {
	in := j.inputs()
	l := &Licences{Distil: licence.Judge(licence.Distil, in), Distribute: licence.Judge(licence.Distribute, in), Declared: []string{}}
	for _, i := range in {
		if i.Accepted == "" {
			continue
		}
		why := i.Reason
		if why == "" {
			why = "no reason given"
		}
		l.Declared = append(l.Declared, fmt.Sprintf("%s %s: %s (%s)", i.Role, i.Name, i.Accepted, why))
	}
	return l
}

// meta is what the student's file says of the terms that it is under, in GGUF's general.* keys: their name and place, the
// lines that go with every copy, where limits of use are written, and what was declared.
func (l *Licences) meta(name string) []Meta {
	v := &l.Distribute
	all := []Meta{{"general.name", v.Name(name)}, {"general.license", v.Licence}}
	if f, ok := licence.Named(v.Strictest); ok {
		all = append(all, Meta{"general.license.name", f.Name}, Meta{"general.license.link", f.Source.URL})
	}
	for _, m := range []struct {
		key    string
		values []string
	}{{"general.license.notice", slices.Concat(v.Notices(), v.Displays())}, {"general.license.restrictions", v.Limits()}, {"freehold.licence.declared", l.Declared}} {
		if len(m.values) > 0 {
			all = append(all, Meta{m.key, strings.Join(m.values, "\n")})
		}
	}
	return all
}

// text is what the plan says of it.
func (l *Licences) text() string {
	var b strings.Builder
	line := func(head, text string) { fmt.Fprintf(&b, "  %-13s %s\n", head, text) }
	line("student", fmt.Sprintf("licence %s; to pass it on: %s", l.Distribute.Licence, l.Distribute.State))
	said := map[string]bool{}
	for _, f := range l.Distribute.Findings {
		what := fmt.Sprintf("%s %s: %s", f.Licence, f.Section, f.Text)
		if f.Effect == licence.Do && !said[what] || !f.Met {
			said[what] = true
			line("", "- "+what)
		}
	}
	for _, d := range l.Declared {
		line("", "declared: "+d)
	}
	if len(l.Distribute.Unverified)+len(l.Distribute.Unknown) > 0 {
		line("", fmt.Sprintf("not compared with the licence's text: %s", strings.Join(slices.Concat(l.Distribute.Unverified, l.Distribute.Unknown), ", ")))
	}
	return b.String()
}
