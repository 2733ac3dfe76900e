package main

import (
	"encoding/json"
	"path/filepath"
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
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
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

// Rules are tested, explained and obeyed: 4 where a test fails, 5 where a rule refuses, 2 where the file is no policy.
func TestPolicyCommand(t *testing.T) {
	gemma := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.license": "gemma"})
	student := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.license": "LicenseRef-Gemma", "freehold.licence.declared": "teacher: ticket LEGAL-9"})
	strict := file(t, "p.yaml", "version: 1\nname: p\nmode: enforce\nrules: [{id: small, check: data.train < 10, message: too many rows}]\ntests: [{name: wrong, action: plan, denied: []}]\n")
	job := recipe(t, tiny(t))
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // in standard output or error
	}{
		{"bundles", append([]string{"policy", "test"}, "company-eu", "company-uk", "company-us", "permissive"), exitOK, "ok      company-uk: limits"},
		{"a test that fails", []string{"policy", "test", strict}, exitGate, "FAILED  p: wrong: not held [small], want []"},
		{"what a rule says to a job", []string{"policy", "explain", strict, "--recipe", job}, exitPolicy, "DOES NOT HOLD for plan, label, train, export"},
		{"as SARIF", []string{"policy", "explain", strict, "--recipe", job, "--sarif"}, exitPolicy, `"ruleId": "policy/p/small"`},
		{"no policy", []string{"policy", "test", job}, exitUsage, "freehold.yaml: line"},
		{"no name of one", []string{"policy", "cat", "company-eux"}, exitUsage, `did you mean "company-eu"`},
		{"a server", []string{"serve", "-m", "g=" + gemma, "--policy=company-us"}, exitPolicy, "rule counsel-asked"},
		{"a file", []string{"quantize", gemma, filepath.Join(t.TempDir(), "q.gguf"), "--format=q4_0", "--policy=company-us"}, exitPolicy, "refuses to export"},
		{"a student's own reason", []string{"quantize", student, filepath.Join(t.TempDir(), "q.gguf"), "--format=q4_0", "--policy=company-us"}, exitOK, "q4_0"},
		{"a pull", []string{"pull", "qwen2.5-coder-0.5b-instruct", "--accept-licence=Apache-2.0", "--policy=company-uk"}, exitPolicy, "rule declared-with-reason"},
	} {
		if r := freehold(t, c.args...); r.code != c.code || !strings.Contains(r.out+r.err, c.want) {
			t.Errorf("%s: exit code %d, want %d with %q: %s%s", c.name, r.code, c.code, c.want, r.out, r.err)
		}
	}
}
