package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What may come next: commands, flags, values of flags, names of models; nothing where a file is wanted.
func TestComplete(t *testing.T) {
	k, err := newParser(&table{})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"freehold cla":                             "classify",
		"freehold run smoll":                       "smollm2-135m-instruct",
		"freehold run smollm2 --nume":              "--numeric",
		"freehold run --numeric ref":               "reference",
		"freehold run --numeric=ref":               "--numeric=reference",
		"freehold quantize a b -f q4_k":            "q4_k_s q4_k_m",
		"freehold distill --thr":                   "--threads",
		"freehold pull movie":                      "movie-review-snippets",
		"freehold completion z":                    "zsh",
		"freehold init --template sentiment-s":     "sentiment-smollm2",
		"freehold --js":                            "--json",
		"freehold nonsense x":                      "",
		"freehold run a --threads ":                "",
		"freehold run x --threads 2 y --numeric n": "normal",
	} {
		if got := strings.Join(complete(k.Model, line), " "); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := complete(k.Model, "freehold "); len(got) < 20 || slices.Contains(got, completing) {
		t.Errorf("commands: %q", got)
	}
}

// The scripts do what they say in the shells that are here.
func TestCompletionScripts(t *testing.T) {
	for shell, test := range map[string]string{
		"bash": `COMP_LINE="freehold run smoll"; COMP_POINT=${#COMP_LINE}; _freehold; echo "${COMPREPLY[@]}"; COMP_LINE="freehold run --numeric=ref"; COMP_POINT=${#COMP_LINE}; _freehold; echo "${COMPREPLY[@]}"`,
		"fish": `complete -C "freehold run smoll"`,
	} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("NOT TESTED: %s is not here", shell)
			continue
		}
		cmd := exec.Command(path, "-c", completionScripts[shell]+"\n"+test)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "smollm2-135m-instruct") || shell == "bash" && !strings.HasSuffix(string(out), "\nreference\n") {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}

// docs/commands.md is what the table says, and the manual page is one that man can set.
func TestCommandsPage(t *testing.T) {
	k, err := newParser(&table{})
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	markdown(&want, k.Model)
	page := filepath.Join("..", "..", "docs", "commands.md")
	if got, err := os.ReadFile(page); err != nil || string(got) != want.String() {
		t.Errorf("docs/commands.md is not what the program says (%v); write it anew: freehold man --markdown > docs/commands.md", err)
	}
	var man strings.Builder
	manual(&man, k.Model)
	for _, n := range k.Model.Leaves(true) {
		if !strings.Contains(man.String(), ".SS "+n.Name+"\n") {
			t.Errorf("the manual lacks %s", n.Name)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("NOT TESTED: groff is not here")
		return
	}
	cmd := exec.Command(groff, "-man", "-Tutf8", "-ww")
	cmd.Stdin = strings.NewReader(man.String())
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if out, err := cmd.Output(); err != nil || complaints.Len() > 0 || len(out) < 5000 {
		t.Errorf("groff: %v, %d bytes\n%.2000s", err, len(out), complaints.String())
	}
}
