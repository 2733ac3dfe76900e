package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A run of this machine is repeated to the bit by the program built for arm64, under qemu: labels, weights, every format, evals and papers. So it is on the portable level of this machine.
func TestReproduceElsewhere(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("a run repeated under qemu: in the long set (FREEHOLD_LONG=1)")
	}
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil || runtime.GOARCH != "amd64" {
		t.Skipf("NOT TESTED: a run repeated on arm64: %s, %v", runtime.GOARCH, err)
	}
	arm := filepath.Join(t.TempDir(), "freehold-arm64")
	build := exec.Command("go", "build", "-o", arm, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	job := recipe(t, tiny(t), "layers: 1", "layers: 2", "steps: 6, batch: 4, save_every: 2", "steps: 20, batch: 8, save_every: 10, precision: f32", "train.jsonl", "rows.jsonl")
	dir := filepath.Dir(job)
	var rows strings.Builder
	for i := range 64 {
		rows.WriteString(`{"text": "` + strings.Repeat([]string{"up ", "down "}[i%2], 1+i%5) + `", "label": "` + []string{"no", "yes"}[i%2] + "\"}\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "rows.jsonl"), []byte(rows.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	freehold(t, "apply", job).must(t)
	run := filepath.Join(dir, "runs", "001")
	for _, c := range []struct {
		where string
		cmd   *exec.Cmd
	}{
		{"arm64, all of its levels", exec.Command(qemu, "-cpu", "max", arm, "verify", "--reproduce", run)},
		{"arm64, NEON alone", exec.Command(qemu, "-cpu", "cortex-a53", arm, "verify", "--reproduce", "--threads=1", run)},
		{"portable", exec.Command(binary, "verify", "--reproduce", "--cpu=portable", run)},
	} {
		c.cmd.Env = append(os.Environ(), "FREEHOLD_CPU=")
		out, err := c.cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "equal     model.gguf") || !strings.Contains(string(out), "equal     model.q4_0.gguf") || strings.Contains(string(out), "differs") {
			t.Errorf("%s: %v\n%s", c.where, err, out)
		}
		t.Logf("%s:\n%s", c.where, out)
	}
}
