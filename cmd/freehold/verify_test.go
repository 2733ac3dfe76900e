package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// show --lineage tells where a run's model and a file come from, as text, DOT, SVG and JSON, and refuses a broken chain.
func TestShowLineage(t *testing.T) {
	job := recipe(t, tiny(t))
	freehold(t, "apply", job).must(t)
	dir := filepath.Join(filepath.Dir(job), "runs", "latest")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{dir}, []string{"0 inputs", "3 eval", `told      prompt "{text}"`, "made      weights model.gguf", "train.jsonl, train, 24 rows"}},
		{[]string{dir, "--dot"}, []string{"digraph lineage {", "->", "model.q4_0.gguf"}},
		{[]string{dir, "--svg"}, []string{"<svg ", "model.q4_0.gguf", "</svg>"}},
		{[]string{filepath.Join(dir, "model.gguf")}, []string{"license MIT", "from data     train.jsonl", "from weights  model.gguf"}},
	} {
		r := freehold(t, append([]string{"show", "--lineage"}, c.args...)...).must(t)
		for _, want := range c.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, r.out)
			}
		}
		if slices.Contains(c.args, "--svg") {
			for d := xml.NewDecoder(strings.NewReader(r.out)); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if d := freehold(t, "show", "--json", "--lineage", dir).must(t).document(t, "freehold/lineage-graph/1"); len(d["entries"].([]any)) != 6 || d["checked"] != true {
		t.Errorf("%v", d)
	}
	path := filepath.Join(dir, "lineage.jsonl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), `"seed":"7"`, `"seed":"8"`, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", dir}, {"show", "--lineage", dir}} {
		if r := freehold(t, args...); r.code != exitVerify || !strings.Contains(r.out+r.err, "entry 1 (label) does not match its hash") {
			t.Errorf("%v of a changed chain: code %d: %s%s", args, r.code, r.out, r.err)
		}
	}
	if r := freehold(t, "show", "--svg", dir); r.code != exitUsage {
		t.Errorf("--svg without --lineage: code %d", r.code)
	}
}
