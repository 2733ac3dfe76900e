package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
)

const kubernetesVersion = "1.37.0" // of the package kubernetes-validate, which holds the cluster's own schemas

// jobs are what freehold k8s prints for a recipe.
func jobs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := talker(t).WriteTo(filepath.Join(dir, "t.gguf")); err != nil {
		t.Fatal(err)
	}
	rows := ""
	for i := range 40 {
		rows += fmt.Sprintf("{\"text\": \"row %d\", \"label\": %q}\n", i, []string{"a", "b"}[i%2])
	}
	const text = "version: 1\nname: r\ntask: {type: classify, labels: [a, b], prompt: \"{text}\"}\nteacher: {model: t.gguf, licence: MIT}\nstudent: {from: teacher, layers: 1}\ndata: {train: t.jsonl, split: {test: 0.5}}\n"
	for name, b := range map[string]string{"freehold.yaml": text, "t.jsonl": rows} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := distill.LoadRecipe(filepath.Join(dir, "freehold.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := distill.NewJob(t.Context(), r, distill.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := j.Kubernetes(t.Context(), distill.Cluster{Tasks: 3, CPUs: 2, Image: "freehold:1", Claim: "freehold-work"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The cluster's example, and the jobs that k8s prints, are what a cluster of that version takes, and a field that it does not know is noticed.
func TestKubernetesValidates(t *testing.T) {
	long(t)
	python, dir := installed(t, "kubernetes-validate", kubernetesVersion)
	example, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy", "kubernetes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text string) (string, error) {
		path := filepath.Join(t.TempDir(), "example.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(python, "-m", "kubernetes_validate", "--strict", path)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name, c := range map[string]struct {
		text, field, misspelt string
		parts                 int
	}{
		"kubernetes.yaml": {string(example), "readOnlyRootFilesystem", "readOnlyRootFileSystem", 3},
		"freehold k8s":    {jobs(t), "backoffLimitPerIndex", "backOffLimitPerIndex", 3},
	} {
		if out, err := validate(c.text); err != nil || strings.Count(out, "passed") != c.parts {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if out, err := validate(strings.Replace(c.text, c.field, c.misspelt, 1)); err == nil {
			t.Errorf("%s: a misspelt field passes:\n%s", name, out)
		}
	}
}
