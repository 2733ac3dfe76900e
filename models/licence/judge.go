package licence

import (
	"fmt"
	"slices"
	"strings"
)

// Input is a model or data set that something is made from or offered as.
type Input struct {
	Role     string // "base": the student's weights; "teacher", "data": trained on; "model": itself
	Name     string
	ID       string // its licence; "" or "unknown" = nobody named one
	Stated   bool   // in the file itself; else somebody has to declare it
	Accepted string // licence that the user declared or accepted
	Reason   string // why
}

// Finding is one duty of one input, or what stands in the way of it.
type Finding struct {
	Role      string `json:"role"`
	Input     string `json:"input"`
	Licence   string `json:"licence"`
	Kind      string `json:"kind"` // one of Kinds, or undeclared, unknown, conflict
	Effect    Effect `json:"effect"`
	Section   string `json:"section,omitempty"`
	Text      string `json:"text"`
	Met       bool   `json:"met"`           // false = the use is refused
	How       string `json:"how,omitempty"` // why it is met all the same
	Overrides bool   `json:"overrides,omitempty"`

	duty Duty
}

// States of a verdict.
const (
	Passes     = "passes"
	WithDuties = "passes with duties"
	Refused    = "refused"
)

// Verdict is what licences say to a use.
type Verdict struct {
	Use        Use       `json:"use"`
	State      string    `json:"state"`
	Licence    string    `json:"licence"`   // SPDX expression of what holds for the result
	Strictest  string    `json:"strictest"` // the one that asks most
	Class      Class     `json:"class"`     // of the strictest
	Findings   []Finding `json:"findings"`
	Unverified []string  `json:"unverified"` // licences whose facts were not compared with their text
	Unknown    []string  `json:"unknown"`    // licences of which nothing is known
}

// Judge says whether a use of inputs together is allowed and what it asks. The strictest counts: one refusal refuses all. A student's base
// hands on all its duties, what it was trained on those that carry.
func Judge(use Use, inputs []Input) Verdict {
	v := Verdict{Use: use, State: Passes, Findings: []Finding{}, Unverified: []string{}, Unknown: []string{}}
	inputs = parts(inputs)
	base := ""
	for _, in := range inputs {
		if in.Role == "base" {
			base = in.id()
		}
	}
	var expression []string
	rank := -1
	for _, in := range inputs {
		fact, known := Named(in.id())
		class := NotKnown
		if known {
			class = fact.Class
			if !fact.Verified() && !slices.Contains(v.Unverified, fact.ID) {
				v.Unverified = append(v.Unverified, fact.ID)
			}
		} else if id := in.id(); !slices.Contains(v.Unknown, id) {
			v.Unknown = append(v.Unknown, id)
		}
		if r := slices.Index(Classes(), class); r > rank {
			rank, v.Class, v.Strictest = r, class, in.id()
		}
		if goesOver(in, fact, known) && !slices.Contains(expression, in.id()) {
			expression = append(expression, in.id())
		}
		v.Findings = append(v.Findings, in.standing(known)...)
		for _, d := range fact.Duties {
			if slices.Contains(d.On, use) && (d.Carries || use == Distil || in.Role == "base" || in.Role == "model") {
				v.Findings = append(v.Findings, in.duty(d, base))
			}
		}
	}
	v.conflicts(inputs)
	if len(expression) == 0 { // nothing goes over: the result is its maker's, under the base's licence
		expression = append(expression, v.Strictest)
	}
	slices.Sort(expression)
	v.Licence = strings.Join(expression, " AND ")
	for _, f := range v.Findings {
		switch {
		case !f.Met:
			v.State = Refused
		case v.State == Passes:
			v.State = WithDuties
		}
	}
	return v
}

// parts takes inputs whose licence is an expression, A AND B, as one for each licence.
func parts(inputs []Input) []Input {
	var all []Input
	for _, in := range inputs {
		for _, id := range strings.Split(in.id(), " AND ") {
			one := in
			if one.ID = id; in.accepts() {
				one.Accepted = id
			}
			all = append(all, one)
		}
	}
	return all
}

// goesOver tells that the licence of an input names that of what is made.
func goesOver(in Input, f Fact, known bool) bool {
	if in.Role == "base" || in.Role == "model" || !known {
		return true
	}
	return slices.ContainsFunc(f.Duties, func(d Duty) bool { return d.Carries })
}

// id is the licence that counts: a declaration names it where the file does not.
func (in Input) id() string {
	if (in.ID == "" || in.ID == "unknown") && in.Accepted != "" {
		return normal(in.Accepted)
	}
	if in.ID == "" {
		return "unknown"
	}
	return normal(in.ID)
}

func normal(id string) string {
	if f, ok := Named(id); ok {
		return f.ID
	}
	return id
}

func (in Input) accepts() bool { return in.Accepted != "" && normal(in.Accepted) == in.id() }

func (in Input) because() string {
	if in.Reason != "" {
		return "by the user: " + in.Reason
	}
	return "by the user, no reason given"
}

// standing finds what is missing before any duty counts: a named licence, a declaration, a fact.
func (in Input) standing(known bool) []Finding {
	f := Finding{Role: in.Role, Input: in.Name, Licence: in.id(), Effect: Accept}
	switch {
	case in.id() == "unknown":
		f.Kind, f.Text = "unknown", "nobody is known to have named a licence"
	case !in.Stated:
		f.Kind, f.Text = "undeclared", fmt.Sprintf("the file states no licence; %s is what its publisher or the user says, which nothing here verifies", in.id())
	case !known:
		f.Kind, f.Text = "unknown", fmt.Sprintf("nothing is known here of the licence %s: read it", in.id())
	default:
		return nil
	}
	if in.accepts() {
		f.Met, f.How = true, "declared "+in.because()
	}
	return []Finding{f}
}

func (in Input) duty(d Duty, base string) Finding {
	f := Finding{Role: in.Role, Input: in.Name, Licence: in.id(), Kind: d.Kind, Effect: d.Effect, Section: d.Section, Text: d.Text, duty: d}
	switch {
	case d.Effect == Do:
		f.Met = true
	case d.Effect == Forbid && d.Unless == "same_licence" && in.Role != "model" && base == in.id():
		f.Met, f.How = true, "the student's base has the same licence"
	case d.Effect == Accept && in.accepts():
		f.Met, f.How = true, "accepted "+in.because()
	case d.Effect == Forbid && in.accepts() && in.Reason != "":
		f.Met, f.Overrides, f.How = true, true, "overridden "+in.because()
	}
	return f
}

// conflicts finds terms that cannot hold together: what must stay under one licence, and what carries terms of another.
func (v *Verdict) conflicts(inputs []Input) {
	if v.Use == Serve {
		return
	}
	for _, a := range inputs {
		one, _ := Named(a.id())
		if !slices.ContainsFunc(one.Duties, func(d Duty) bool { return d.Kind == "share_alike" && (d.Carries || a.Role == "base") }) {
			continue
		}
		for _, b := range inputs {
			other, known := Named(b.id())
			carries := slices.ContainsFunc(other.Duties, func(d Duty) bool {
				return (d.Carries || b.Role == "base") && d.Kind != "attribution" && d.Kind != "notice" && d.Kind != "state_changes"
			})
			if !known || other.ID == one.ID || !carries {
				continue
			}
			f := Finding{Role: a.Role, Input: a.Name, Licence: one.ID, Kind: "conflict", Effect: Forbid,
				Text: fmt.Sprintf("what is made stays under %s, and %s (%s) adds terms of %s to it", one.ID, b.Name, b.Role, other.ID)}
			if a.accepts() && a.Reason != "" {
				f.Met, f.Overrides, f.How = true, true, "overridden "+a.because()
			}
			v.Findings = append(v.Findings, f)
		}
	}
}

// Unmet are the findings that refuse the use.
func (v *Verdict) Unmet() []Finding {
	return slices.DeleteFunc(slices.Clone(v.Findings), func(f Finding) bool { return f.Met })
}

// Notices are the lines that a NOTICE file has to hold, once each.
func (v *Verdict) Notices() []string {
	return v.collect(func(d Duty) string { return d.Notice })
}

// Displays are words to show where the model is offered.
func (v *Verdict) Displays() []string { return v.collect(func(d Duty) string { return d.Display }) }

// Limits are the places where limits of use are written.
func (v *Verdict) Limits() []string { return v.collect(func(d Duty) string { return d.Limits }) }

// Name puts in front of a model's name what the terms want there.
func (v *Verdict) Name(name string) string {
	for _, p := range v.collect(func(d Duty) string { return d.Prefix }) {
		if !strings.HasPrefix(name, p) {
			name = p + "-" + name
		}
	}
	return name
}

func (v *Verdict) collect(of func(Duty) string) []string {
	var all []string
	for _, f := range v.Findings {
		if s := of(f.duty); s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Error is a use that licences refuse.
type Error struct {
	Verdict Verdict
	Fix     string // how to declare or accept; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	for i, f := range e.Verdict.Unmet() {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s: to %s is refused by %s", f.Role, f.Input, e.Verdict.Use, f.Licence)
		if f.Section != "" {
			b.WriteString(", section " + f.Section)
		}
		fmt.Fprintf(&b, " (%s: %s)", strings.ReplaceAll(f.Kind, "_", " "), f.Text)
	}
	if e.Fix != "" {
		b.WriteString("; " + e.Fix)
	}
	return b.String()
}
