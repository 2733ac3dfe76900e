package freehold_test

import (
	"os"
	"os/exec"
	"testing"
)

// What the engine offers to programs that embed it stays: .ci/api holds it to docs/api by apidiff, in a module of its own.
func TestAPI(t *testing.T) {
	if out, err := exec.Command("go", "-C", ".ci/api", "mod", "download").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "true" {
			t.Skipf("NOT TESTED: apidiff cannot be fetched: %v\n%s", err, out)
		}
		t.Fatalf("go mod download in .ci/api: %v\n%s", err, out)
	}
	if out, err := exec.Command("go", "-C", ".ci/api", "test", "-count=1", ".").CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
}
