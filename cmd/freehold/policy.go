package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/policy"
	"github.com/freehold-slm/freehold/distill/sarif"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/licence"
)

// policyFlag names the rules that a command obeys which takes a model.
type policyFlag struct {
	Policy string `env:"FREEHOLD_POLICY" help:"Rules to obey: a file, or a policy of the program (freehold policy ls)." placeholder:"FILE"`
}

// obey judges an action with inputs by the policy, if there is one.
func (p policyFlag) obey(a *app, action string, inputs ...licence.Input) error {
	if p.Policy == "" {
		return nil
	}
	rules, err := policy.Load(p.Policy)
	if err != nil {
		return err
	}
	d := policy.Document{Action: action, Inputs: []policy.Input{}}
	for _, in := range inputs {
		d.Inputs = append(d.Inputs, policy.InputOf(in))
	}
	if action == "pull" {
		d.Egress = []string{"pull " + inputs[0].Name}
	}
	return rules.Check(d, func(s string) { a.warn("%s", s) })
}

// obeyFile is obey with a model file or catalogue name.
func (p policyFlag) obeyFile(a *app, action, name string) error {
	if p.Policy == "" {
		return nil
	}
	in, err := fileInput(name)
	if err != nil {
		return err
	}
	return p.obey(a, action, in)
}

// fileInput is a model as licences see it: what the catalogue or the file says, and what was declared when it was pulled or made.
func fileInput(name string) (licence.Input, error) {
	path, entry, err := models.Resolve(name)
	if err != nil {
		return licence.Input{}, asInput(err)
	}
	if entry != nil {
		in := entry.Licence.Input("model", name, "", "")
		cached, err := models.Cached()
		if i := slices.IndexFunc(cached, func(p models.Pulled) bool { return p.Name == entry.Name }); i >= 0 {
			in.Accepted, in.Reason = cached[i].Accepted, cached[i].Reason
		}
		return in, asInput(err)
	}
	f, err := openFile(path)
	if err != nil {
		return licence.Input{}, err
	}
	defer f.Close() //nolint:errcheck // read-only
	l, err := models.FileLicence(f)
	if err != nil {
		return licence.Input{}, asInput(err)
	}
	in := l.Input("model", name, "", "")
	if in.Reason, err = f.StringOr("freehold.licence.declared", ""); in.Reason != "" {
		in.Accepted = in.ID
	}
	return in, asInput(err)
}

type policyCmd struct {
	Action string   `arg:"" enum:"test,explain,ls,cat" help:"test: run a policy's tests; explain: its rules, or what they say to a recipe; ls, cat: the policies of the program."`
	Policy []string `arg:"" optional:"" help:"Files, or policies of the program; default for explain: the recipe's."`
	Recipe string   `help:"Judge this recipe's job by the rules." placeholder:"FILE"`
	Sarif  bool     `help:"Print the findings of explain --recipe as SARIF 2.1.0."`
	jobFlags
}

// policies is freehold/policy/1.
type policies struct {
	Schema string      `json:"schema"`
	Items  []policyRow `json:"items"`
}

type policyRow struct {
	Name     string              `json:"name"`
	About    string              `json:"about"`
	File     string              `json:"file"`
	Mode     string              `json:"mode"`
	SHA256   string              `json:"sha256"`
	Rules    []policyRule        `json:"rules"`
	Tests    []policy.TestResult `json:"tests,omitempty"`
	Untested []string            `json:"untested,omitempty"` // rules that no test sees fail
}

type policyRule struct {
	ID      string   `json:"id"`
	Mode    string   `json:"mode"`
	When    []string `json:"when"` // none = every action
	Check   string   `json:"check"`
	Message string   `json:"message"`
	Broken  []string `json:"broken,omitempty"` // actions of the recipe that it does not hold for
	Error   string   `json:"error,omitempty"`
}

func (*policyCmd) Help() string {
	return "A policy is a file of rules in CEL over the inputs, their licences, the data and the recipe; see docs/policy.md. A recipe names one with the key policy; pull, quantize and serve take --policy or FREEHOLD_POLICY. " +
		"A test that fails gives exit code 4, a recipe that a rule refuses 5."
}

func (c *policyCmd) Run(a *app) error {
	names := c.Policy
	var doc func(action string) policy.Document
	switch {
	case c.Action == "ls":
		names = policy.Bundles()
	case c.Action == "cat":
		if len(names) != 1 {
			return usagef("cat wants the name of one policy: %s", strings.Join(policy.Bundles(), ", "))
		}
		b, err := policy.Bundle(names[0])
		if err == nil && !a.json {
			a.write("%s", b)
		}
		if err != nil || !a.json {
			return err
		}
	case c.Recipe != "":
		j, err := c.job(a, c.Recipe)
		if err != nil {
			return err
		}
		if doc = j.Document; len(names) == 0 {
			if j.PolicyFile() == "" {
				return usagef("%s names no policy; give one", c.Recipe)
			}
			names = []string{j.PolicyFile()}
		}
	}
	if len(names) == 0 {
		return usagef("no policy is given; those of the program are %s", strings.Join(policy.Bundles(), ", "))
	}
	if c.Sarif && (c.Action != "explain" || c.Recipe == "" || a.json) {
		return usagef("--sarif goes with explain --recipe FILE, without --json")
	}
	d := policies{Schema: "freehold/policy/1", Items: []policyRow{}}
	code := exitOK
	for _, name := range names {
		row, bad, err := c.row(name, doc)
		if err != nil {
			return err
		}
		code = max(code, bad)
		d.Items = append(d.Items, row)
	}
	if err := c.print(a, d); err != nil {
		return err
	}
	if code != exitOK {
		return quietError(code)
	}
	return nil
}

// row reads a policy and does with it what the action says; code is the exit code that follows.
func (c *policyCmd) row(name string, doc func(string) policy.Document) (row policyRow, code int, err error) {
	p, err := policy.Load(name)
	if err != nil {
		return row, 0, err
	}
	row = policyRow{Name: p.Name, About: p.About, File: name, Mode: p.Mode, SHA256: p.SHA256}
	for _, r := range p.Rules {
		row.Rules = append(row.Rules, policyRule{ID: r.ID, Mode: r.Mode, When: append([]string{}, r.When...), Check: r.Check, Message: r.Message})
	}
	if c.Action == "test" {
		if row.Tests, row.Untested, err = p.RunTests(); err != nil {
			return row, 0, err
		}
		if slices.ContainsFunc(row.Tests, func(t policy.TestResult) bool { return !t.Passed }) {
			code = exitGate
		}
	}
	if c.Action != "explain" || doc == nil {
		return row, code, nil
	}
	for _, action := range distill.PolicyActions() {
		found, err := p.Judge(doc(action))
		if err != nil {
			return row, 0, err
		}
		for _, f := range found {
			r := &row.Rules[slices.IndexFunc(row.Rules, func(r policyRule) bool { return r.ID == f.Rule })]
			r.Broken, r.Error = append(r.Broken, action), f.Error
			if f.Mode == "enforce" {
				code = exitPolicy
			}
		}
	}
	return row, code, nil
}

func (c *policyCmd) print(a *app, d policies) error {
	switch {
	case a.json:
		return a.emit(d)
	case c.Sarif:
		return c.sarif(a, d.Items)
	}
	for i, p := range d.Items {
		switch c.Action {
		case "ls":
			a.write("%-12s %-8s %s\n", p.Name, p.Mode, p.About)
		case "test":
			for _, t := range p.Tests {
				if t.Passed {
					a.write("ok      %s: %s\n", p.Name, t.Name)
				} else {
					a.write("FAILED  %s: %s: not held %v, want %v\n", p.Name, t.Name, t.Got, t.Want)
				}
			}
			if len(p.Untested) > 0 {
				a.warn("%s: no test sees these rules fail: %s", p.Name, strings.Join(p.Untested, ", "))
			}
		case "explain":
			if i > 0 {
				a.write("\n")
			}
			a.write("%s (%s, sha256 %.12s)\n  %s\n", p.Name, p.Mode, p.SHA256, p.About)
			for _, r := range p.Rules {
				when := strings.Join(r.When, ", ")
				if when == "" {
					when = "always"
				}
				a.write("  %s (%s; %s): %s, unless %s\n", r.ID, r.Mode, when, r.Message, r.Check)
				if c.Recipe != "" {
					a.write("      %s\n", r.outcome())
				}
			}
		}
	}
	return nil
}

func (r policyRule) outcome() string {
	if len(r.Broken) == 0 {
		return "holds"
	}
	s := "DOES NOT HOLD for " + strings.Join(r.Broken, ", ")
	if r.Error != "" {
		s += " (" + r.Error + ")"
	}
	return s
}

func (c *policyCmd) sarif(a *app, items []policyRow) error {
	var rules []sarif.Rule
	var found []sarif.Finding
	for _, p := range items {
		for _, r := range p.Rules {
			id := "policy/" + p.Name + "/" + r.ID
			rules = append(rules, sarif.Rule{ID: id, About: r.Message})
			if len(r.Broken) > 0 {
				found = append(found, sarif.Finding{Rule: id, Level: map[string]string{"warn": "warning", "enforce": "error"}[r.Mode], File: c.Recipe, Line: 1, Text: fmt.Sprintf("%s: %s", r.Message, r.outcome())})
			}
		}
	}
	b, err := sarif.Document(programVersion(), rules, found)
	a.write("%s", b)
	return err
}
