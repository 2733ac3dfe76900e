package lineage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// written appends entries of the stages to a new chain and returns its path and lines.
func written(t *testing.T, stages ...string) (path string, lines []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), Name)
	for _, s := range stages {
		text, err := Append(path, Entry{Stage: s, In: []Item{{Kind: "weights", Name: "teacher", SHA256: strings.Repeat("a", 64)}},
			Facts: map[string]string{"seed": "18446744073709551615", "prompt": "<b>\"up\" or\ndown?"}, Out: []Item{{Kind: "labels", Name: s + "/", SHA256: strings.Repeat("b", 64), Files: 2}}})
		if err != nil || text == nil {
			t.Fatalf("%s: %q, %v", s, text, err)
		}
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, slices.Collect(strings.Lines(string(b)))
}

// A chain with an entry removed, moved, doubled, changed or put between is refused with the number of the entry that shows it.
func TestChain(t *testing.T) {
	path, lines := written(t, "inputs", "label", "train", "eval")
	if chain, err := Read(path); err != nil || len(chain) != 4 || chain[2].Facts["seed"] != "18446744073709551615" {
		t.Fatalf("%+v, %v", chain, err)
	}
	_, other := written(t, "inputs", "label", "train", "quantize")
	_, foreign := written(t, "a", "b", "c", "eva") // entry 3 is one of another chain
	for _, c := range []struct {
		name  string
		entry int
		want  string
		lines []string
	}{
		{"first removed", 0, "entry 0 (label) was written as entry 1", lines[1:]},
		{"middle removed", 1, "entry 1 (train) was written as entry 2", slices.Delete(slices.Clone(lines), 1, 2)},
		{"reordered", 1, "entry 1 (train) was written as entry 2", []string{lines[0], lines[2], lines[1], lines[3]}},
		{"doubled", 2, "entry 2 (label) was written as entry 1", []string{lines[0], lines[1], lines[1], lines[2]}},
		{"changed", 2, "entry 2 (train) does not match its hash", []string{lines[0], lines[1], strings.Replace(lines[2], "up", "Up", 1), lines[3]}},
		{"hash changed", 0, "entry 0 (inputs) does not match its hash", []string{strings.Replace(lines[0], `"hash":"`+lines[0][strings.Index(lines[0], `"hash":"`)+8:][:4], `"hash":"0000`, 1), lines[1]}},
		{"foreign", 3, "entry 3 (eva) does not follow entry 2", append(slices.Clone(lines[:3]), foreign[3])},
		{"key added", 1, "entry 1 cannot be read", []string{lines[0], strings.Replace(lines[1], `{"schema"`, `{"note":1,"schema"`, 1)}},
		{"spaced", 1, "entry 1 (label) does not match its hash", []string{lines[0], strings.Replace(lines[1], `"seq":`, `"seq": `, 1)}},
		{"cut", 3, "entry 3", append(slices.Clone(lines[:3]), strings.TrimSuffix(lines[3], "\n"))},
	} {
		chain, err := Parse([]byte(strings.Join(c.lines, "")))
		var bad *EntryError
		if !errors.As(err, &bad) || bad.Entry != c.entry || !strings.Contains(err.Error(), c.want) || len(chain) != c.entry {
			t.Errorf("%s: %v, want entry %d: %s", c.name, err, c.entry, c.want)
		}
	}
	if chain, err := Parse([]byte(strings.Join(append(slices.Clone(lines[:3]), other[3]), ""))); err != nil || len(chain) != 4 {
		t.Errorf("a chain with the same beginning goes on as this one: %v", err)
	}
}

// A stage that says what it said is not told again; one that says something else is, at the end.
func TestAppend(t *testing.T) {
	path, _ := written(t, "inputs", "label", "train")
	chain, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	again := chain[1]
	again.By.Threads = 64
	if text, err := Append(path, again); text != nil || err != nil {
		t.Errorf("the same: %q, %v", text, err)
	}
	again.Facts = map[string]string{"seed": "8"}
	text, err := Append(path, again)
	if chain, bad := Parse(text); err != nil || bad != nil || len(chain) != 4 || Last(chain, "label").Facts["seed"] != "8" {
		t.Errorf("%v %v: %q", err, bad, text)
	}
	sums := map[string]string{"inputs/": strings.Repeat("b", 64), "label/": strings.Repeat("b", 64), "train/": strings.Repeat("c", 64)}
	var bad *EntryError
	if err := CheckOutputs(chain, func(n string) string { return sums[n] }); !errors.As(err, &bad) || bad.Entry != 2 || !strings.Contains(err.Error(), "train/") {
		t.Errorf("another output: %v", err)
	}
}
