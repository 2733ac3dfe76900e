package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// What a newcomer types first, as it is and a little wrong: each answer says what comes next.
func TestNewcomer(t *testing.T) {
	dir := t.TempDir()
	rows := "Nr;Anfrage;Art\n1;Mein Rechner geht nicht an;IT\n2;Die Suppe ist kalt;Küche\n3;ohne Art;\n"
	for name, text := range map[string]string{"utf8.csv": rows, "latin1.csv": strings.ReplaceAll(rows, "ü", "\xfc")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	here := call{dir: dir}
	columns := []string{"--text-column", "Anfrage", "--label-column", "Art"}
	for _, c := range []struct {
		code int
		want string // on standard error
		args []string
	}{
		{exitInput, "known: Nr, Anfrage, Art; name it with --text-column", []string{"init", "triage", "--data", "utf8.csv"}},
		{exitInput, `iconv -f WINDOWS-1252 -t UTF-8 "latin1.csv"`, append([]string{"init", "triage", "--data", "latin1.csv"}, columns...)},
		{exitOK, "say in task.prompt of freehold.yaml what the labels mean; cd triage; freehold plan", append([]string{"init", "triage", "--data", "utf8.csv"}, columns...)},
		{exitInput, "freehold pull smollm2-135m-instruct", []string{"plan", "triage"}},
		{exitUsage, "-m triage/model.gguf", []string{"serve", "triage/model.gguf"}},
	} {
		if r := here.run(t, c.args...); r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.want, r.out, r.err)
		}
	}
	model := editedFile(t, tiny(t), map[string]any{engine.KeyTaskLabels: []string{"no", "yes"}, engine.KeyTaskPrompt: "{text}"})
	if r := freehold(t, "classify", filepath.Dir(model), "a text"); r.code != exitInput && r.code != exitInternal || !strings.Contains(r.err, "its model is "+model) {
		t.Errorf("a run's folder: exit code %d\n%s", r.code, r.err)
	}
	if r := freehold(t, "run", model, "hello", "--max-tokens", "2").must(t); !strings.Contains(r.err, "ask it with freehold classify") {
		t.Errorf("a classifier that is to write:\n%s", r.err)
	}
	if r := freehold(t, "run", tiny(t), "hello", "--max-tokens", "2").must(t); strings.Contains(r.err, "freehold classify") {
		t.Errorf("a model that writes:\n%s", r.err)
	}
}
