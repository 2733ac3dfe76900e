package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verify says which file was changed and leaves with exit code 6; a folder that is no finished run is a missing input.
func TestVerify(t *testing.T) {
	job := recipe(t, tiny(t))
	freehold(t, "apply", job).must(t)
	dir := filepath.Join(filepath.Dir(job), "runs", "latest")
	if r := freehold(t, "verify", dir); r.code != exitOK || r.out != "" || !strings.Contains(r.err, " 0 are not") {
		t.Fatalf("code %d: %s%s", r.code, r.out, r.err)
	}
	model := filepath.Join(dir, "model.gguf")
	b, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(model, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if r := freehold(t, "verify", dir); r.code != exitVerify || !strings.Contains(r.out, "changed") || !strings.Contains(r.out, "model.gguf") || strings.Contains(r.out, "summary.json") {
		t.Errorf("after a flipped bit: code %d: %s%s", r.code, r.out, r.err)
	}
	if r := freehold(t, "verify", t.TempDir()); r.code != exitInput || !strings.Contains(r.err, "freehold apply") {
		t.Errorf("an empty folder: code %d: %s", r.code, r.err)
	}
}
