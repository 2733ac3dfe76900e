package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/policy/cel"
)

// Explanation says why a rule does not hold for a document.
type Explanation struct {
	Inputs   []string `json:"inputs"`   // names of those that break it, each alone; none = it is not about one input
	Facts    []Fact   `json:"facts"`    // what its check read
	Remedies []string `json:"remedies"` // changes of one fact with each of which it would hold, for each input
}

// Fact is a value that a check read, by its place in the document.
type Fact struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// other stands for any text that a rule does not name.
const other = "\u2026"

// Explain says why a rule does not hold for a document; nil where it does.
func (p *Policy) Explain(rule string, d Document) (*Explanation, error) {
	i := slices.IndexFunc(p.Rules, func(r Rule) bool { return r.ID == rule })
	if i < 0 {
		return nil, fmt.Errorf("policy %s has no rule %s", p.Name, rule)
	}
	check := p.Rules[i].program
	vars, err := d.vars()
	if err != nil {
		return nil, err
	}
	if holds, _ := check.Bool(vars); holds || len(p.Rules[i].When) > 0 && !slices.Contains(p.Rules[i].When, d.Action) {
		return nil, nil
	}
	e := &Explanation{Inputs: []string{}, Facts: []Fact{}, Remedies: []string{}}
	facts := check.Facts(vars)
	if slices.ContainsFunc(facts, func(f cel.Fact) bool { return strings.HasPrefix(f.Path, "inputs[") }) {
		for i, in := range d.Inputs { // each alone: which of them is it?
			one := d
			one.Inputs = []Input{in}
			alone, err := one.vars()
			if err != nil {
				return nil, err
			}
			if holds, _ := check.Bool(alone); holds {
				continue
			}
			e.Inputs = append(e.Inputs, fmt.Sprintf("%s %s", in.Role, in.Name))
			if err := e.because(check, alone, func(path string) string { return strings.Replace(path, "inputs[0]", fmt.Sprintf("inputs[%d]", i), 1) }); err != nil {
				return nil, err
			}
		}
	}
	if len(e.Inputs) > 0 {
		return e, nil
	}
	return e, e.because(check, vars, func(path string) string { return path })
}

// because adds the facts that a check reads of vars, and what changes of one of them would do.
func (e *Explanation) because(check *cel.Program, vars map[string]any, name func(string) string) error {
	for _, f := range check.Facts(vars) {
		path := name(f.Path)
		if !slices.ContainsFunc(e.Facts, func(have Fact) bool { return have.Path == path }) {
			e.Facts = append(e.Facts, Fact{path, f.Value})
		}
		if f.Path == "action" { // what is done is not for the user to change
			continue
		}
		for _, v := range instead(f.Value, check.Literals()) {
			copied, err := plain(vars)
			if err != nil {
				return err
			}
			changed := copied.(map[string]any)
			set(changed, f.Keys, v)
			if holds, _ := check.Bool(changed); !holds {
				continue
			}
			if remedy := path + " " + says(v); !slices.Contains(e.Remedies, remedy) {
				e.Remedies = append(e.Remedies, remedy)
			}
			break
		}
	}
	return nil
}

// instead are values to try in place of one: its kind's others, made from what the check names.
func instead(v any, literals []any) []any {
	var all, texts []any
	for _, l := range literals {
		if _, ok := l.(string); ok {
			texts = append(texts, l)
		}
	}
	switch v := v.(type) {
	case bool:
		return []any{!v}
	case string:
		return append(append(all, texts...), other, "")
	case int64, float64:
		for _, l := range literals {
			switch n := l.(type) {
			case int64:
				all = append(all, n, n+1, n-1)
			case float64:
				all = append(all, n)
			}
		}
		return all
	case []any:
		return append(all, []any{}, append(slices.Clone(v), texts...))
	case nil, map[string]any:
		return append(all, map[string]any{other: other})
	}
	return all
}

// set puts a value at a place.
func set(in any, keys []any, v any) {
	last := len(keys) - 1
	for i, k := range keys {
		switch to := in.(type) {
		case map[string]any:
			if i == last {
				to[k.(string)] = v
				return
			}
			in = to[k.(string)]
		case []any:
			n, ok := k.(int)
			if !ok {
				return
			}
			if i == last {
				to[n] = v
				return
			}
			in = to[n]
		}
	}
}

// says puts a remedy's value into words.
func says(v any) string {
	switch v := v.(type) {
	case string:
		switch v {
		case other:
			return "= another text"
		}
	case map[string]any:
		return "is not empty"
	}
	b, _ := json.Marshal(v) // of JSON's kinds
	return "= " + string(b)
}
