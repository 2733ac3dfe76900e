package main

import (
	"encoding/json"
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
	Action string   `arg:"" enum:"check,test,explain,ls,cat" help:"check: judge a recipe; test: run a policy's tests; explain: its rules, or what they say to a recipe and why; ls, cat: the policies of the program."`
	Policy []string `arg:"" optional:"" help:"Files, or policies of the program; default for check and explain: the recipe's."`
	Recipe string   `help:"Judge this recipe's job by the rules; check takes freehold.yaml where none is given." placeholder:"FILE"`
	Sarif  bool     `help:"Print the findings of check, or explain --recipe, as SARIF 2.1.0."`
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
	Fix     string   `json:"fix,omitempty"`

	*policy.Explanation // where it is broken
}

func (*policyCmd) Help() string {
	return "A policy is a file of rules in CEL over the inputs, their licences, the data and the recipe; see docs/policy.md. A recipe names one with the key policy; pull, quantize and serve take --policy or FREEHOLD_POLICY. " +
		"A test that fails gives exit code 4, a recipe that a rule refuses 5."
}

func (c *policyCmd) Run(a *app) error {
	names := c.Policy
	if c.Action == "check" && c.Recipe == "" {
		c.Recipe = "freehold.yaml"
	}
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
				return usagef("%s names no policy; give one here, or in the recipe with the key policy (%s)", c.Recipe, strings.Join(policy.Bundles(), ", "))
			}
			names = []string{j.PolicyFile()}
		}
	}
	if len(names) == 0 {
		return usagef("no policy is given; those of the program are %s", strings.Join(policy.Bundles(), ", "))
	}
	judged := c.Recipe != "" && (c.Action == "check" || c.Action == "explain")
	if c.Sarif && (!judged || a.json) {
		return usagef("--sarif goes with check, or explain --recipe FILE, without --json")
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
		row.Rules = append(row.Rules, policyRule{ID: r.ID, Mode: r.Mode, When: append([]string{}, r.When...), Check: r.Check, Message: r.Message, Fix: r.Fix})
	}
	if c.Action == "test" {
		if row.Tests, row.Untested, err = p.RunTests(); err != nil {
			return row, 0, err
		}
		if slices.ContainsFunc(row.Tests, func(t policy.TestResult) bool { return !t.Passed }) {
			code = exitGate
		}
	}
	if c.Action != "explain" && c.Action != "check" || doc == nil {
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
			if r.Explanation == nil {
				if r.Explanation, err = p.Explain(f.Rule, doc(action)); err != nil {
					return row, 0, err
				}
			}
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
		case "check":
			broken := 0
			for _, r := range p.Rules {
				if len(r.Broken) > 0 {
					broken++
					a.write("%-8s %s/%s: %s: %s\n", r.Mode, p.Name, r.ID, r.Message, r.outcome())
					r.why(a)
				}
			}
			a.note("%s: %d of %d rules hold for %s", p.Name, len(p.Rules)-broken, len(p.Rules), c.Recipe)
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
					r.why(a)
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

// because is why a rule is broken and what would mend it, a line each: which inputs, which facts, which changes.
func (r policyRule) because() (lines []string) {
	e := r.Explanation
	if e == nil {
		return nil
	}
	for _, in := range e.Inputs {
		lines = append(lines, "input     "+in)
	}
	for _, f := range e.Facts {
		b, _ := json.Marshal(f.Value) // of JSON's kinds
		lines = append(lines, fmt.Sprintf("fact      %s = %s", f.Path, b))
	}
	for _, m := range e.Remedies {
		lines = append(lines, "holds if  "+m)
	}
	if r.Fix != "" {
		lines = append(lines, "fix       "+r.Fix)
	}
	return lines
}

func (r policyRule) why(a *app) {
	for _, l := range r.because() {
		a.write("        %s\n", l)
	}
}

func (c *policyCmd) sarif(a *app, items []policyRow) error {
	var rules []sarif.Rule
	var found []sarif.Finding
	for _, p := range items {
		for _, r := range p.Rules {
			id := "policy/" + p.Name + "/" + r.ID
			rules = append(rules, sarif.Rule{ID: id, About: r.Message})
			if len(r.Broken) > 0 {
				found = append(found, sarif.Finding{Rule: id, Level: map[string]string{"warn": "warning", "enforce": "error"}[r.Mode], File: distill.InRepository(c.Recipe), Line: 1, Text: strings.Join(append([]string{fmt.Sprintf("%s: %s", r.Message, r.outcome())}, r.because()...), "\n")})
			}
		}
	}
	b, err := sarif.Document(programVersion(), rules, found)
	a.write("%s", b)
	return err
}
