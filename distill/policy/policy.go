// Package policy judges what a job or command is about to do by rules in a file: expressions of CEL over what it takes in and makes.
//
// A policy is YAML: name, mode (warn or enforce), rules and tests of these. A rule holds where its check gives true; one that cannot be
// evaluated does not hold. See docs/policy.md.
package policy

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/freehold-slm/freehold/distill/policy/cel"
	"github.com/freehold-slm/freehold/models/spell"
)

// Actions are what policies judge, in the order of a job.
func Actions() []string { return []string{"plan", "pull", "label", "train", "export", "serve"} }

// Variables are what a rule may name; Document has their fields.
func Variables() []string { return []string{"action", "inputs", "student", "data", "recipe", "egress"} }

// Policy is a set of rules.
type Policy struct {
	Version int    `yaml:"version"`
	Name    string `yaml:"name"`
	About   string `yaml:"about"`
	Mode    string `yaml:"mode"` // warn or enforce
	Rules   []Rule `yaml:"rules"`
	Tests   []Test `yaml:"tests"`

	File   string `yaml:"-"` // where it was read
	SHA256 string `yaml:"-"` // of its bytes
}

// Rule is one thing that has to hold.
type Rule struct {
	ID      string   `yaml:"id"`
	When    []string `yaml:"when"`  // actions; none = all
	Check   string   `yaml:"check"` // true = holds
	Message string   `yaml:"message"`
	Fix     string   `yaml:"fix"`
	Mode    string   `yaml:"mode"` // instead of the policy's

	program *cel.Program
}

// Test is a document and the rules that shall not hold for it.
type Test struct {
	Name   string         `yaml:"name"`
	Action string         `yaml:"action"`
	Given  map[string]any `yaml:"given"` // over Example
	Denied []string       `yaml:"denied"`
}

// Finding is a rule that does not hold.
type Finding struct {
	Rule    string `json:"rule"`
	Mode    string `json:"mode"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
	Error   string `json:"error,omitempty"` // why it could not be evaluated
}

//go:embed bundles
var bundles embed.FS

// Bundles lists the policies that come with the program.
func Bundles() []string {
	files, err := fs.Glob(bundles, "bundles/*.yaml")
	if err != nil {
		panic(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return files
}

// Bundle is the text of a policy that comes with the program.
func Bundle(name string) ([]byte, error) {
	b, err := bundles.ReadFile("bundles/" + name + ".yaml")
	if err != nil {
		return nil, &ReadError{name, spell.Unknown("policy", name, "the program", Bundles())}
	}
	return b, nil
}

// ReadError is a mistake in a policy's file.
type ReadError struct{ File, Msg string }

func (e *ReadError) Error() string { return e.File + ": " + e.Msg }

// Load reads a policy from a file, or one of the bundles by name.
func Load(nameOrPath string) (*Policy, error) {
	if slices.Contains(Bundles(), nameOrPath) {
		b, err := Bundle(nameOrPath)
		if err != nil {
			return nil, err
		}
		return Parse(nameOrPath, b)
	}
	b, err := os.ReadFile(nameOrPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ReadError{nameOrPath, fmt.Sprintf("no such file; policies of the program are %s", strings.Join(Bundles(), ", "))}
	}
	if err != nil {
		return nil, err
	}
	return Parse(nameOrPath, b)
}

// Parse reads a policy; file names it in messages. It fails with a *ReadError.
func Parse(file string, b []byte) (*Policy, error) {
	bad := func(format string, args ...any) error { return &ReadError{file, fmt.Sprintf(format, args...)} }
	if len(b) > 256<<10 {
		return nil, bad("is %d bytes long, want at most %d", len(b), 256<<10)
	}
	for _, t := range lexer.Tokenize(string(b)) {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType:
			return nil, bad("line %d: %q: anchors, aliases, tags and merge keys are not part of a policy; quote the value if it is text", t.Position.Line, t.Value)
		}
	}
	p := &Policy{File: file}
	if err := yaml.UnmarshalWithOptions(b, p, yaml.Strict()); err != nil {
		msg := err.Error()
		var y yaml.Error
		if errors.As(err, &y) {
			msg = y.GetMessage()
			if t := y.GetToken(); t != nil {
				msg = fmt.Sprintf("line %d: %s", t.Position.Line, msg)
			}
		}
		msg, _, _ = strings.Cut(msg, "\n")
		return nil, bad("%s", msg)
	}
	sum := sha256.Sum256(b)
	p.SHA256 = hex.EncodeToString(sum[:])
	if p.Version != 1 {
		return nil, bad("version is %d, want 1", p.Version)
	}
	if p.Name == "" || len(p.Rules) == 0 {
		return nil, bad("a policy has a name and rules")
	}
	if p.Mode != "warn" && p.Mode != "enforce" {
		return nil, bad("mode is %q, want warn or enforce", p.Mode)
	}
	ids := map[string]bool{}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.ID == "" || ids[r.ID] || r.Message == "" {
			return nil, bad("rule %d (%q): wants an id of its own and a message", i+1, r.ID)
		}
		ids[r.ID] = true
		if r.Mode == "" {
			r.Mode = p.Mode
		}
		if r.Mode != "warn" && r.Mode != "enforce" {
			return nil, bad("rule %s: mode is %q, want warn or enforce", r.ID, r.Mode)
		}
		for _, a := range r.When {
			if !slices.Contains(Actions(), a) {
				return nil, bad("rule %s: %s", r.ID, spell.Unknown("action", a, "when", Actions()))
			}
		}
		var err error
		if r.program, err = cel.Compile(r.Check, Variables()...); err != nil {
			return nil, bad("rule %s: check, %v", r.ID, err)
		}
	}
	for _, t := range p.Tests {
		if !slices.Contains(Actions(), t.Action) {
			return nil, bad("test %q: %s", t.Name, spell.Unknown("action", t.Action, "a test", Actions()))
		}
		for _, id := range t.Denied {
			if !ids[id] {
				return nil, bad("test %q: there is no rule %s", t.Name, id)
			}
		}
		for key := range t.Given {
			if !slices.Contains(Variables(), key) {
				return nil, bad("test %q: %s", t.Name, spell.Unknown("variable", key, "given", Variables()))
			}
		}
	}
	return p, nil
}

// Judge gives the rules that do not hold for a document.
func (p *Policy) Judge(d Document) ([]Finding, error) {
	vars, err := d.vars()
	if err != nil {
		return nil, err
	}
	return p.judge(d.Action, vars), nil
}

func (p *Policy) judge(action string, vars map[string]any) []Finding {
	found := []Finding{}
	for _, r := range p.Rules {
		if len(r.When) > 0 && !slices.Contains(r.When, action) {
			continue
		}
		holds, err := r.program.Bool(vars)
		if holds {
			continue
		}
		f := Finding{Rule: r.ID, Mode: r.Mode, Message: r.Message, Fix: r.Fix}
		if err != nil {
			f.Error = err.Error()
		}
		found = append(found, f)
	}
	return found
}

// Check judges a document: findings of rules that warn are told to warn, others become an *Error.
func (p *Policy) Check(d Document, warn func(string)) error {
	found, err := p.Judge(d)
	if err != nil {
		return err
	}
	var denied []Finding
	for _, f := range found {
		if f.Mode == "enforce" {
			denied = append(denied, f)
		} else if warn != nil {
			warn(fmt.Sprintf("policy %s, to %s: %s", p.Name, d.Action, f.text()))
		}
	}
	if len(denied) > 0 {
		return &Error{p, d.Action, denied}
	}
	return nil
}

func (f Finding) text() string {
	s := fmt.Sprintf("rule %s: %s", f.Rule, f.Message)
	if f.Error != "" {
		s += " (the rule cannot be evaluated, so it does not hold: " + f.Error + ")"
	}
	if f.Fix != "" {
		s += "; " + f.Fix
	}
	return s
}

// Error is an action that a policy refuses.
type Error struct {
	Policy   *Policy
	Action   string
	Findings []Finding
}

func (e *Error) Error() string {
	var all []string
	for _, f := range e.Findings {
		all = append(all, f.text())
	}
	return fmt.Sprintf("policy %s (%s) refuses to %s: %s", e.Policy.Name, e.Policy.File, e.Action, strings.Join(all, "; "))
}

// TestResult is a test of a policy.
type TestResult struct {
	Name   string   `json:"name"`
	Passed bool     `json:"passed"`
	Got    []string `json:"got"` // rules that did not hold
	Want   []string `json:"want"`
}

// RunTests runs the policy's tests. The second list names rules that no test sees fail, which nobody has seen work.
func (p *Policy) RunTests() (results []TestResult, untested []string, err error) {
	failed := map[string]bool{}
	for _, t := range p.Tests {
		vars, err := Example(t.Action).vars()
		if err != nil {
			return nil, nil, err
		}
		given, err := plain(t.Given)
		if err != nil {
			return nil, nil, err
		}
		overlay(vars, given.(map[string]any))
		got := []string{}
		for _, f := range p.judge(t.Action, vars) {
			got = append(got, f.Rule)
			failed[f.Rule] = true
		}
		want := append([]string{}, t.Denied...)
		slices.Sort(got)
		slices.Sort(want)
		results = append(results, TestResult{t.Name, slices.Equal(got, want), got, want})
	}
	for _, r := range p.Rules {
		if !failed[r.ID] {
			untested = append(untested, r.ID)
		}
	}
	return results, untested, nil
}

// overlay puts given values over a document; lists are replaced, except that each input of a list is put over the example's.
func overlay(to, from map[string]any) {
	for k, v := range from {
		if m, ok := v.(map[string]any); ok {
			if old, ok := to[k].(map[string]any); ok {
				overlay(old, m)
				continue
			}
		}
		if list, ok := v.([]any); ok && k == "inputs" {
			for i, x := range list {
				if m, ok := x.(map[string]any); ok {
					one, _ := plain(exampleInput())
					overlay(one.(map[string]any), m)
					list[i] = one
				}
			}
		}
		to[k] = v
	}
}

// plain makes a value one of the expressions' kinds, by way of JSON.
func plain(v any) (any, error) {
	if m, ok := v.(map[string]any); ok && m == nil {
		return map[string]any{}, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	return numbers(out), nil
}

func numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64() // what JSON wrote is in range
		return f
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = numbers(x[k])
		}
	}
	return v
}
