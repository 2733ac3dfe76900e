package freehold_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/sign"
)

// The source's tarball, and a program built from it alone in a folder of its own without a network, are the same bytes each time, signed or not.
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
	key, other := filepath.Join(t.TempDir(), "key.pem"), filepath.Join(t.TempDir(), "other.pem")
	for _, k := range []string{key, other} {
		if err := sign.NewKey(k); err != nil {
			t.Fatal(err)
		}
	}
	var built [2]map[string][]byte
	var dir string
	for i, more := range [][]string{nil, {"RELEASE_KEY=" + key}} {
		dir = t.TempDir()
		cmd := exec.Command("make", append([]string{"-s", "release", "DIST=" + dir, "TARGETS=" + runtime.GOOS + "/" + runtime.GOARCH}, more...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		built[i] = map[string][]byte{}
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if want := 3 + len(more); err != nil || len(names) != want {
			t.Fatalf("release wrote %v, %v; want a tarball, a program, SHA256SUMS and, with a key, its signature", names, err)
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
	signedRelease(t, dir, key+".pub", other+".pub", built[1])
}

// signedRelease holds that the two commands which docs/howto/releases.md gives to check a release find a flipped byte in each of its files, and a signature by another key.
func signedRelease(t *testing.T, dir, key, other string, files map[string][]byte) {
	t.Helper()
	freehold := ""
	for name := range files {
		if strings.Contains(name, "-"+runtime.GOARCH) {
			freehold = filepath.Join(t.TempDir(), "freehold") // that of the folder will be broken
			if err := os.WriteFile(freehold, files[name], 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	signature := func(key string) (string, error) {
		out, err := exec.Command(freehold, "verify", "--signature", "-", "--public-key", key, filepath.Join(dir, "SHA256SUMS")).CombinedOutput()
		return string(out), err
	}
	sums := func() (string, error) {
		cmd := exec.Command("sha256sum", "--check", "SHA256SUMS")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, check := range []func() (string, error){func() (string, error) { return signature(key) }, sums} {
		if out, err := check(); err != nil {
			t.Fatalf("as it was released: %v: %s", err, out)
		}
	}
	if out, err := signature(other); err == nil || !strings.Contains(out, "another key") {
		t.Errorf("another key: %v: %s", err, out)
	}
	for name, b := range files {
		flipped := bytes.Clone(b)
		flipped[len(b)/2] ^= 1
		put := func(b []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		put(flipped)
		if strings.HasPrefix(name, "SHA256SUMS") {
			if out, err := signature(key); err == nil {
				t.Errorf("a flipped byte in %s: the signature holds: %s", name, out)
			}
		} else if out, err := sums(); err == nil || !strings.Contains(out, name+": FAILED") {
			t.Errorf("a flipped byte in %s: %v: %s", name, err, out)
		}
		put(b)
	}
}
