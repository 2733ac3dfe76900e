package engine

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// Whatever the weights want, the text is of the grammar; with a draft it is the same text.
func TestFixturesGrammar(t *testing.T) {
	m := small(t, "llama256.Q4_K_M", WithThreads(2))
	twin := small(t, "llama256.Q4_K_M", WithThreads(1))
	draft, err := twin.NewDraft(m)
	if err != nil {
		t.Fatal(err)
	}
	defer draft.Close()
	schema, err := grammar.Schema([]byte(`{"type": "object", "properties": {"name": {"type": "string", "maxLength": 4}, "n": {"type": "integer", "minimum": 0, "maximum": 30}}, "required": ["name", "n"]}`))
	if err != nil {
		t.Fatal(err)
	}
	choice, err := grammar.Choice("yes", "no", "maybe not")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		g  *grammar.Grammar
		ok func(text string) bool
	}{
		"schema": {schema, func(text string) bool {
			var v struct {
				Name *string `json:"name"`
				N    *int    `json:"n"`
			}
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			return d.Decode(&v) == nil && v.Name != nil && v.N != nil && len([]rune(*v.Name)) <= 4 && *v.N >= 0 && *v.N <= 30
		}},
		"choice": {choice, func(text string) bool { return text == "yes" || text == "no" || text == "maybe not" }},
	} {
		seen := map[string]bool{}
		for seed := range uint64(12) {
			g := Gen{Grammar: c.g, Temperature: float64(seed) / 4, Seed: seed, MaxTokens: 200}
			st := m.Generate(context.Background(), []int32{1, 50, 60}, g)
			text, err := st.Text()
			if err != nil {
				t.Fatal(err)
			}
			if !c.ok(text) || st.Reason() != ReasonEnd {
				t.Errorf("%s: %q, reason %s", name, text, st.Reason())
			}
			seen[text] = true
			for i, d := range []Draft{LookupDraft{}, draft} {
				g.Draft = d
				if again, err := m.Generate(context.Background(), []int32{1, 50, 60}, g).Text(); err != nil || again != text {
					t.Errorf("%s, draft %d: %q and %q (%v)", name, i, again, text, err)
				}
			}
		}
		if len(seen) < 2 {
			t.Errorf("%s: always %v", name, seen)
		}
	}
	// A text that the vocabulary cannot spell is an error, not a hang.
	g, err := grammar.Regex("[\x00]")
	if err != nil {
		t.Fatal(err)
	}
	mask := g.NewMatcher()
	rule, err := m.constrain(g)
	if err != nil {
		t.Fatal(err)
	}
	if empty := mask.Mask(rule.v).Empty(); empty {
		if _, err := m.Generate(context.Background(), []int32{1}, Gen{Grammar: g}).Text(); err == nil || !strings.Contains(err.Error(), "no token") {
			t.Errorf("%v", err)
		}
	} else {
		t.Log("this vocabulary spells all bytes")
	}
}
