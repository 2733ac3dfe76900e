package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/licence"
)

// Of a rule that does not hold it is said which inputs break it, what its check read, and which changes would mend it; each of these changes does.
func TestExplain(t *testing.T) {
	bad := InputOf(licence.Input{Role: "teacher", Name: "theirs", ID: "CC-BY-NC-4.0", Accepted: "CC-BY-NC-4.0"})
	for _, c := range []struct {
		check           string
		change          func(d *Document)
		inputs          []string
		facts, remedies []string
	}{
		{`inputs.all(i, i.licence.stated || i.licence.reason != "")`, nil, []string{"teacher theirs"}, []string{`inputs[1].licence.stated = false`, `inputs[1].licence.reason = ""`},
			[]string{"inputs[1].licence.stated = true", "inputs[1].licence.reason = another text"}},
		{`inputs.all(i, i.licence.class != "non_commercial")`, nil, []string{"teacher theirs"}, []string{`inputs[1].licence.class = "non_commercial"`}, []string{"inputs[1].licence.class = another text"}},
		{`["email", "phone"].all(k, k in data.masked)`, func(d *Document) { d.Data.Masked = nil }, nil, []string{"data.masked = []"}, []string{`data.masked = ["email","phone"]`}},
		{`size(recipe.eval.gates) > 0`, func(d *Document) { d.Recipe = map[string]any{"eval": map[string]any{"gates": map[string]any{}}} }, nil, []string{"recipe.eval.gates = {}"}, []string{"recipe.eval.gates is not empty"}},
		{`data.test >= 300`, nil, nil, []string{"data.test = 200"}, []string{"data.test = 300"}},
		{`size(inputs) < 2`, nil, nil, []string{"inputs = [{"}, []string{"inputs = []"}},
		{`data.nothing == 1`, nil, nil, []string{"data = {"}, nil},
		{`action == "serve" || has(recipe.policy)`, nil, nil, []string{`action = "plan"`, `recipe = {`}, nil},
	} {
		p, err := Parse("p.yaml", []byte("version: 1\nname: p\nmode: enforce\nrules:\n  - {id: r, message: m, check: "+string(quote(c.check))+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		d := Example("plan")
		d.Inputs = append(d.Inputs, bad)
		if c.change != nil {
			c.change(&d)
		}
		e, err := p.Explain("r", d)
		if err != nil || e == nil {
			t.Errorf("%s: %+v, %v", c.check, e, err)
			continue
		}
		var facts []string
		for _, f := range e.Facts {
			facts = append(facts, f.Path+" = "+string(quote(f.Value)))
		}
		same := len(facts) == len(c.facts) && len(e.Inputs) == len(c.inputs) && slices.Equal(e.Remedies, c.remedies)
		for i := 0; same && i < len(facts); i++ {
			same = strings.HasPrefix(facts[i], c.facts[i])
		}
		if !same || len(c.inputs) > 0 && !slices.Equal(e.Inputs, c.inputs) {
			t.Errorf("%s: inputs %q, facts %q, remedies %q", c.check, e.Inputs, facts, e.Remedies)
		}
	}
	p, err := Load("permissive")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := p.Explain(p.Rules[0].ID, Example("plan")); e != nil || err != nil {
		t.Errorf("a rule that holds: %+v, %v", e, err)
	}
	if _, err := p.Explain("nosuch", Example("plan")); err == nil {
		t.Error("a rule that is not there is explained")
	}
}

func quote(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
