package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const kubernetesVersion = "1.37.0" // of the package kubernetes-validate, which holds the cluster's own schemas

// The cluster's example is what a cluster of that version takes, and a field that it does not know is noticed.
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
	out, err := validate(string(example))
	if err != nil || strings.Count(out, "passed") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := validate(strings.Replace(string(example), "readOnlyRootFilesystem", "readOnlyRootFileSystem", 1)); err == nil {
		t.Errorf("a misspelt field passes:\n%s", out)
	}
}
