package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// The gate's four models, files that say what they are under, and licences by name.
func TestLicence(t *testing.T) {
	gemma := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.license": "gemma"})
	student := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.license": "Apache-2.0 AND LicenseRef-Gemma"})
	both := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.license": "MIT AND Apache-2.0"})
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string // in standard output
	}{
		{"smollm2", []string{"smollm2-135m-instruct", "--for=distribute"}, exitOK, []string{"passes with duties", "duty", "section 4(a)"}},
		{"gemma", []string{"gemma-3-270m"}, exitPolicy, []string{"is refused", "acceptance", "1.1(e)", "unverified"}},
		{"gemma, accepted", []string{"gemma-3-270m", "--accept-licence=LicenseRef-Gemma", "--for=distribute"}, exitOK, []string{"a file called NOTICE"}},
		{"qwen", []string{"qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"}, exitPolicy, []string{"REFUSED  undeclared", "--accept-licence Apache-2.0"}},
		{"qwen, declared", []string{"qwen2.5-coder-0.5b-instruct", "--accept-licence=Apache-2.0", "--reason=its card"}, exitOK, []string{"declared by the user: its card"}},
		{"file with terms", []string{gemma, "--for=serve"}, exitPolicy, []string{"LicenseRef-Gemma (stated in file)", "section before 1"}},
		{"student of gemma", []string{student, "--for=serve"}, exitPolicy, []string{"LicenseRef-Gemma, section before 1"}},
		{"student of gemma, accepted", []string{student, "--for=serve", "--accept-licence=Apache-2.0 AND LicenseRef-Gemma"}, exitOK, []string{"passes with duties"}},
		{"two free licences", []string{both}, exitOK, []string{"distil it passes\n"}},
		{"silent file", []string{fixture(t, "models/llama256.Q8_0.gguf")}, exitPolicy, []string{"unknown", "ID (the licence"}},
		{"a licence", []string{"llama3.1"}, exitOK, []string{"sha256 bf2eac60", "700 million"}},
	} {
		r := freehold(t, append([]string{"licence"}, c.args...)...)
		if r.code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s%s", c.name, r.code, c.code, r.out, r.err)
		}
		for _, want := range c.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s: %q does not hold %q", c.name, r.out, want)
			}
		}
	}
	r := freehold(t, "licence", gemma, "--sarif")
	var doc struct {
		Runs []struct {
			Tool    struct{ Driver struct{ Rules []struct{ ID string } } }
			Results []struct{ RuleID, Level string }
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || r.code != exitPolicy || len(doc.Runs) != 1 {
		t.Fatalf("exit code %d, %v: %s", r.code, err, r.out)
	}
	rules, levels := map[string]bool{}, map[string]int{}
	for _, x := range doc.Runs[0].Tool.Driver.Rules {
		rules[x.ID] = true
	}
	for _, x := range doc.Runs[0].Results {
		if levels[x.Level]++; !rules[x.RuleID] {
			t.Errorf("%s is no rule of the document", x.RuleID)
		}
	}
	if levels["error"] != 1 || levels["note"] != 2 {
		t.Errorf("levels %v", levels)
	}
}
