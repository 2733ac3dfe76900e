package freehold_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The source's tarball, and a program built from it alone in a folder of its own without a network, are the same bytes each time.
func TestReproducibleBuild(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	for _, tool := range []string{"make", "git", "tar", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT TESTED: %v", err)
		}
	}
	if err := exec.Command("git", "rev-parse", "HEAD").Run(); err != nil {
		t.Skipf("NOT TESTED: this is no clone: %v", err)
	}
	var built [2]map[string][]byte
	for i := range built {
		dir := t.TempDir()
		cmd := exec.Command("make", "-s", "release", "DIST="+dir, "TARGETS="+runtime.GOOS+"/"+runtime.GOARCH)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		built[i] = map[string][]byte{}
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(names) != 3 {
			t.Fatalf("release wrote %v, %v; want a tarball, a program and SHA256SUMS", names, err)
		}
		for _, n := range names {
			if built[i][filepath.Base(n)], err = os.ReadFile(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, b := range built[0] {
		if other := built[1][name]; !bytes.Equal(b, other) {
			t.Errorf("%s is of %d bytes and %d, and not the same", name, len(b), len(other))
		}
		if here, _ := os.Getwd(); strings.Contains(name, runtime.GOARCH) && bytes.Contains(b, []byte(here)) {
			t.Errorf("%s names the folder %s", name, here)
		}
	}
}
