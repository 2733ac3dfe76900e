package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/sarif"
)

const (
	checkVersion = "0.39.0"       // check-jsonschema, which brings GitHub's and GitLab's schemas of CI jobs
	sarifVersion = "1.0.0-beta.0" // @microsoft/jest-sarif, which brings the schema of SARIF 2.1.0
)

// What this program writes for code hosts is as their JSON schemas want it: SARIF documents, and the CI jobs of init. The same check refuses each of them with a fault.
func TestSchemas(t *testing.T) {
	long(t)
	python, dir := installed(t, "check-jsonschema", checkVersion)
	schema := filepath.Join(installedNode(t, "@microsoft/jest-sarif", sarifVersion), "node_modules", "@microsoft", "jest-sarif", "lib", "schemas", "sarif-2.1.0-rtm.5.json")
	document, err := sarif.Document("v1.2.3", []sarif.Rule{{ID: "policy/p/r", About: "what it wants"}},
		[]sarif.Finding{{Rule: "policy/p/r", Level: "error", Text: "broken\nfact  x = 1", File: "a folder/freehold.yaml", Line: 3}, {Rule: "policy/p/r", Level: "note", Text: "m", File: "model"}})
	if err != nil {
		t.Fatal(err)
	}
	none, err := sarif.Document("v1.2.3", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	recipe := []byte("version: 1\nname: r\ntask: {type: classify, labels: [a, b], prompt: \"{text}\"}\nteacher: {model: smollm2-135m-instruct}\ndata: {train: t.csv, split: {test: 0.5}}\n")
	r, err := distill.ParseRecipe(filepath.Join(t.TempDir(), "freehold.yaml"), recipe)
	if err != nil {
		t.Fatal(err)
	}
	jobs := map[string][]byte{}
	for _, system := range distill.CIs() {
		if _, jobs[system], err = distill.Workflow(system, r); err != nil {
			t.Fatal(err)
		}
	}
	check := func(text []byte, name string, how ...string) (string, error) {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, text, 0o666); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(python, append(append([]string{"-m", "check_jsonschema"}, how...), file)...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct {
		name, file string
		text       []byte
		how        []string
		old, fault string
	}{
		{"SARIF", "policy.sarif", document, []string{"--schemafile", schema, "--default-filetype", "json", "--regex-variant", "python"}, `"level": "error"`, `"level": "fatal"`},
		{"SARIF without findings", "policy.sarif", none, []string{"--schemafile", schema, "--default-filetype", "json", "--regex-variant", "python"}, `"name": "freehold"`, `"nam": "freehold"`},
		{"GitHub", "freehold.yml", jobs["github"], []string{"--builtin-schema", "vendor.github-workflows"}, "runs-on:", "runs_on:"},
		{"GitLab", ".gitlab-ci.yml", jobs["gitlab"], []string{"--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"}, "when: always", "when: ever"},
	} {
		if out, err := check(c.text, c.file, c.how...); err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
		if out, err := check([]byte(strings.Replace(string(c.text), c.old, c.fault, 1)), c.file, c.how...); err == nil || !strings.Contains(out, "validation errors") {
			t.Errorf("%s: a fault is not found: %v\n%s", c.name, err, out)
		}
	}
}
