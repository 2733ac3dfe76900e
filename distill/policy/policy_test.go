package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Each bundle passes its own tests, and each of its rules is seen to fail in one.
func TestBundles(t *testing.T) {
	names := Bundles()
	if !slices.Equal(names, []string{"company-eu", "company-uk", "company-us", "permissive"}) {
		t.Errorf("bundles %v", names)
	}
	for _, name := range names {
		p, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		results, untested, err := p.RunTests()
		if err != nil || len(results) == 0 || len(untested) > 0 || p.Name != name {
			t.Errorf("%s: %d tests, no test sees %v fail, %v", name, len(results), untested, err)
		}
		for _, r := range results {
			if !r.Passed {
				t.Errorf("%s: test %q denies by %v, want %v", name, r.Name, r.Got, r.Want)
			}
		}
	}
}

func TestPolicy(t *testing.T) {
	text := `version: 1
name: p
mode: enforce
rules:
  - {id: few, when: [plan, serve], check: size(inputs) < 2, message: too many, fix: take one}
  - {id: gone, check: data.nothing == 1, message: no field, mode: warn}
`
	p, err := Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var warned []string
	d := Example("plan")
	d.Inputs = append(d.Inputs, d.Inputs[0])
	err = p.Check(d, func(s string) { warned = append(warned, s) })
	var denied *Error
	if !errors.As(err, &denied) || err.Error() != "policy p (p.yaml) refuses to plan: rule few: too many; take one" || len(warned) != 1 || !strings.Contains(warned[0], "there is no nothing") {
		t.Errorf("%v, warnings %q", err, warned)
	}
	if d.Action = "train"; p.Check(d, nil) != nil {
		t.Error("a rule counts for an action that it does not name")
	}
	other, err := Parse("p.yaml", []byte(text+"# more\n"))
	if err != nil || other.SHA256 == p.SHA256 || len(p.SHA256) != 64 {
		t.Errorf("%v; sums %s and %s", err, p.SHA256, other.SHA256)
	}
	for _, c := range []struct{ old, new, want string }{
		{"version: 1", "version: 2", "version is 2"}, {"mode: enforce", "mode: allow", `mode is "allow"`}, {"size(inputs)", "size(input)", "rule few: check, at character 6: no variable is called input"},
		{"id: gone", "id: few", "an id of its own"}, {"[plan, serve]", "[plan, server]", `did you mean "serve"`}, {"fix: take one", "fixx: take one", "line 5"}, {"message: too many", "message: &a too many", "anchors"},
		{"name: p\n", "name: p\ntests: [{name: t, action: plan, denied: [nope]}]\n", "there is no rule nope"}, {"name: p\n", "name: p\ntests: [{name: t, action: plan, given: {imputs: 1}}]\n", `did you mean "inputs"`},
	} {
		_, err := Parse("p.yaml", []byte(strings.Replace(text, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
		}
	}
}
