package distill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/policy"
	"github.com/freehold-slm/freehold/models/licence"
)

func newTinyJob(t testing.TB, recipe string) (*Job, error) {
	t.Helper()
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	return NewJob(context.Background(), r, Options{Threads: 1})
}

// What a student is made from decides what its file says: terms that carry go with it, and so does what was declared.
func TestLicencesCarried(t *testing.T) {
	for _, c := range []struct {
		teacher, data string // as the recipe has them
		want          map[string]string
	}{
		{"licence: Apache-2.0", "", map[string]string{"general.name": "tiny", "general.license": "Apache-2.0", "general.license.name": "Apache License 2.0",
			"general.license.notice": "", "freehold.licence.declared": "no reason given"}},
		{"licence: gemma, licence_reason: terms read on Monday", "", map[string]string{"general.name": "tiny", "general.license": "LicenseRef-Gemma", "general.license.name": "Gemma Terms of Use",
			"general.license.link": "https://ai.google.dev/gemma/terms", "general.license.notice": "Gemma is provided under and subject to the Gemma Terms of Use",
			"general.license.restrictions": "prohibited_use_policy", "freehold.licence.declared": "terms read on Monday"}},
		{"licence: LicenseRef-Llama-3.2", "", map[string]string{"general.name": "Llama-tiny", "general.license.notice": "Built with Llama", "general.license.restrictions": "use-policy"}},
		{"licence: MIT", "licence: cc-by-nc-4.0, licence_reason: for a thesis", map[string]string{"general.license": "CC-BY-NC-4.0 AND MIT", "general.license.name": "NonCommercial"}},
	} {
		recipe := tinyJob(t)
		edit(t, recipe, "licence: Apache-2.0", c.teacher)
		if c.data != "" {
			edit(t, recipe, "train: train.jsonl,", "train: train.jsonl, "+c.data+",")
		}
		j, err := newTinyJob(t, recipe)
		if err != nil {
			t.Errorf("%s: %v", c.teacher, err)
			continue
		}
		got := map[string]string{}
		for _, m := range j.lineage() {
			if s, ok := m.Value.(string); ok {
				got[m.Key] = s
			}
		}
		for key, want := range c.want {
			if !strings.Contains(got[key], want) || want == "" && got[key] != "" || key == "general.name" && got[key] != want {
				t.Errorf("%s %s: %s is %q, want %q", c.teacher, c.data, key, got[key], want)
			}
		}
		p, err := j.Plan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if want := "to pass it on: " + licence.WithDuties; !strings.Contains(p.Text(), want) || p.Licences.Distribute.Licence != got["general.license"] {
			t.Errorf("plan %s\nwant %q", p.Text(), want)
		}
	}
}

// The strictest input refuses the whole job; only a reason goes past what a licence forbids.
func TestLicencesRefused(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"licence: CC-BY-ND-4.0", "section 2(a)(1) (no derivatives"},
		{"licence: CC-BY-ND-4.0, licence_reason: the author wrote to us", ""},
		{"licence: LicenseRef-OpenAI-Terms", "compete with OpenAI"},
		{"licence: LicenseRef-Our-Own", ""},
	} {
		recipe := tinyJob(t)
		edit(t, recipe, "train: train.jsonl,", "train: train.jsonl, "+c.data+",")
		_, err := newTinyJob(t, recipe)
		var refused *licence.Error
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.data, err, c.want)
		}
	}
}

// A recipe's policy is judged before anything is done, warns or refuses, and is pinned in the run's lock.
func TestJobPolicy(t *testing.T) {
	const rules = "version: 1\nname: p\nmode: %s\nrules:\n  - {id: reasons, when: [plan, label], check: 'inputs.all(i, i.licence.stated || i.licence.reason != \"\") && data.train > 10 && recipe.task.type == \"classify\"', message: no reason}\n"
	recipe := tinyJob(t)
	file := filepath.Join(filepath.Dir(recipe), "policy.yaml")
	edit(t, recipe, "version: 1\n", "version: 1\npolicy: policy.yaml\n")
	write(t, file, fmt.Sprintf(rules, "enforce"))
	j, err := newTinyJob(t, recipe)
	if err != nil {
		t.Fatal(err)
	}
	var denied *policy.Error
	if _, err := j.Plan(context.Background()); !errors.As(err, &denied) {
		t.Errorf("plan: %v", err)
	}
	if _, err := j.Apply(context.Background(), Stages{Only: "label"}); !errors.As(err, &denied) {
		t.Errorf("label: %v", err)
	}
	if _, err := os.Stat(j.Dir()); err == nil {
		t.Error("a run was begun")
	}
	edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, licence_reason: its card")
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{Only: "label"}); err != nil {
		t.Fatal(err)
	}
	write(t, file, fmt.Sprintf(rules, "warn"))
	var changed *PolicyChangedError
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{Only: "label"}); !errors.As(err, &changed) {
		t.Errorf("changed rules: %v", err)
	}
	edit(t, recipe, ", licence_reason: its card", "")
	var warned []string
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1, Run: "other", Warn: func(s string) { warned = append(warned, s) }}, Stages{Only: "label"}); err != nil || len(warned) != 1 || !strings.Contains(warned[0], "rule reasons: no reason") {
		t.Errorf("%v, warnings %q", err, warned)
	}
	edit(t, recipe, "policy: policy.yaml", "policy: nothing.yaml")
	if _, err := newTinyJob(t, recipe); err == nil || !strings.Contains(err.Error(), "company-eu") {
		t.Errorf("a file that is not there: %v", err)
	}
}
