package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What docs/tutorial.md tells the reader to type works, from its first to its last block, and gives what it shows the beginning of.
func TestTutorial(t *testing.T) {
	sh, err := exec.LookPath("sh")
	_, noCurl := exec.LookPath("curl")
	switch {
	case os.Getenv("FREEHOLD_LONG") != "1":
		t.Skip("long test: set FREEHOLD_LONG=1")
	case err != nil || noCurl != nil:
		t.Skip("NOT TESTED: sh or curl is missing")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\n"
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		script += block[1]
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // the server takes it, unless another program is faster
	script = strings.ReplaceAll(script, "127.0.0.1:8080", l.Addr().String())

	dir := t.TempDir()
	rows, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial", "tickets.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "docs", "tutorial"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "docs", "tutorial", "tickets.csv"), rows, 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, sh, "-c", script)
	cmd.Dir, cmd.WaitDelay = dir, 10*time.Second // the server may hold the output open where a command before it failed
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0 are not", `"label":"roads"`, "gate passed", "student "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output does not hold %q", want)
		}
	}
}
