package distill

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/models"
)

// A byte flipped anywhere in a run is found, and the file that it stands in is the only one named.
func TestVerifyFlips(t *testing.T) {
	_, dir, err := apply(context.Background(), tinyJob(t), Options{Threads: 2}, Stages{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(dir)
	if err != nil || len(v.Bad()) > 0 || v.Run == "" {
		t.Fatalf("a fresh run: %+v, %v", v, err)
	}
	var all []string
	for _, f := range v.Files {
		if f.State != "ok" {
			t.Errorf("%s is %s", f.Name, f.State)
		}
		all = append(all, f.Name)
	}
	for _, want := range []string{"manifest.json", "SHA256SUMS", "model.gguf", "summary.json", "data.json", "report.html", "lock.json", "recipe.yaml", "metrics.jsonl", "rows.jsonl", "lineage.jsonl"} {
		if !strings.Contains(strings.Join(all, " "), want) {
			t.Errorf("%s is not checked", want)
		}
	}
	flips := 40
	if os.Getenv("FREEHOLD_LONG") != "" {
		flips = 1000
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range flips {
		name := all[i%len(all)]
		path := filepath.Join(dir, filepath.FromSlash(name))
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(b), err)
		}
		at, bit := r.IntN(len(b)), byte(1)<<r.IntN(8)
		b[at] ^= bit
		write(t, path, string(b))
		v, err := Verify(dir)
		if err != nil {
			t.Fatal(err)
		}
		if bad := v.Bad(); len(bad) != 1 || bad[0].Name != name {
			t.Errorf("byte %d of %s with bit %d flipped: found %+v", at, name, bit, bad)
		}
		b[at] ^= bit
		write(t, path, string(b))
	}
}

// What is missing is named, what was added is told and changes nothing, and an unfinished run is an error.
func TestVerifyFiles(t *testing.T) {
	recipe := tinyJob(t)
	_, dir, err := apply(context.Background(), recipe, Options{Threads: 2}, Stages{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "notes.txt"), "mine")
	v, err := Verify(dir)
	if err != nil || len(v.Bad()) > 0 {
		t.Errorf("a file of one's own: %+v, %v", v, err)
	}
	found := false
	for _, f := range v.Files {
		found = found || f == FileCheck{"notes.txt", "added", "not in the manifest"}
	}
	if !found {
		t.Error("notes.txt is not told")
	}
	named := filepath.Join(filepath.Dir(dir), "named") // as runs/latest is where links cannot be made
	write(t, named, filepath.Base(dir)+"\n")
	if w, err := Verify(named); err != nil || len(w.Files) != len(v.Files) {
		t.Errorf("by a file that names it: %+v, %v", w, err)
	}
	for _, name := range []string{"model.gguf", manifestName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(dir)
		if err != nil {
			t.Fatal(err)
		}
		if bad := v.Bad(); len(bad) != 1 || bad[0].Name != name || bad[0].State != "missing" {
			t.Errorf("without %s: %+v", name, bad)
		}
		write(t, filepath.Join(dir, name), string(b))
	}
	if err := os.Remove(filepath.Join(dir, sumsName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir); err == nil || !strings.Contains(err.Error(), "freehold apply") {
		t.Errorf("an unfinished run: %v", err)
	}
	if _, err := Verify(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// An entry of the lineage that was removed, moved or changed is named, also where whoever did it has sealed the manifest anew; and so is a
// file that is not the one that its stage made.
func TestVerifyLineage(t *testing.T) {
	_, dir, err := apply(context.Background(), tinyJob(t), Options{Threads: 2}, Stages{})
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, lineage.Name)
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := lineage.Parse(text)
	if err != nil || len(chain) != 6 || chain[5].Stage != "report" || chain[2].Facts["seed"] != "3" || chain[0].By.Binary == "" || chain[1].Facts["prompt"] != "Up or down? {text}" {
		t.Fatalf("%+v, %v", chain, err)
	}
	if strings.Contains(string(text), filepath.Dir(filepath.Dir(dir))) {
		t.Errorf("the chain names a folder of this machine:\n%s", text)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	lines[5] += "\n"
	manifest := filepath.Join(dir, manifestName)
	whole, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil {
		t.Fatal(err)
	}
	reseal := func(edit func(m *Manifest)) {
		t.Helper()
		var m Manifest
		if err := json.Unmarshal(whole, &m); err != nil {
			t.Fatal(err)
		}
		edit(&m)
		for _, name := range []string{lineage.Name, "model.gguf"} {
			if m.Files[name], err = hashed(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		m.Seal = noSeal
		b, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		b = seal(append(b, '\n'))
		write(t, manifest, string(b))
		write(t, filepath.Join(dir, sumsName), sumsOf(m.Files, manifestName, b))
	}
	named := func(name, want string) {
		t.Helper()
		v, err := Verify(dir)
		if err != nil {
			t.Fatal(err)
		}
		if bad := v.Bad(); len(bad) != 1 || bad[0].Name != lineage.Name || !strings.Contains(bad[0].Note, want) {
			t.Errorf("%s: found %+v, want %s", name, bad, want)
		}
	}
	for _, c := range []struct {
		name, want string
		lines      []string
	}{
		{"removed", "entry 2 (eval) was written as entry 3", append(slices.Clone(lines[:2]), lines[3:]...)},
		{"moved", "entry 1 (train) was written as entry 2", append([]string{lines[0], lines[2], lines[1]}, lines[3:]...)},
		{"changed", "entry 2 (train) does not match its hash", append(append(slices.Clone(lines[:2]), strings.Replace(lines[2], `"seed":"3"`, `"seed":"4"`, 1)), lines[3:]...)},
		{"cut at the end", "entry 5 is missing: the manifest counts 6", lines[:5]},
	} {
		write(t, at, strings.Join(c.lines, ""))
		named(c.name, c.want)
		reseal(func(*Manifest) {})
		named(c.name+", sealed anew", c.want)
		write(t, manifest, string(whole))
		write(t, filepath.Join(dir, sumsName), string(sums))
	}
	write(t, at, string(text))
	model, err := os.ReadFile(filepath.Join(dir, "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	model[len(model)-1] ^= 1
	write(t, filepath.Join(dir, "model.gguf"), string(model))
	reseal(func(*Manifest) {})
	named("another model, sealed anew", "entry 2 (train): it made model.gguf")
	reseal(func(m *Manifest) { m.Lineage.Head = noSeal })
	named("another chain", "entry 5 has another hash")
}

// The student's file says where it comes from, in the keys of GGUF, and nothing that is so of its base's file alone.
func TestOriginKeys(t *testing.T) {
	for key, want := range map[string]bool{"general.author": true, "general.base_model.0.repo_url": true, "general.source.url": true, "general.license.link": true,
		"general.name": true, "general.architecture": false, "general.languages": false, "general.quantization_version": false, "llama.author": false} {
		if ofSource(key) != want {
			t.Errorf("%s is of the source's file: %v, want %v", key, !want, want)
		}
	}
	base := source{Name: "smollm2-135m-instruct", sha256: "aa", origin: map[string]string{"author": "A", "url": "file's own"}}
	r := &Recipe{Data: DataRecipe{Train: "/home/me/rows.jsonl"}}
	j := &Job{recipe: r, base: base, teacher: source{Name: filepath.Join(t.TempDir(), "t.gguf"), sha256: "bb", origin: map[string]string{"url": "somewhere", "doi": "10/1"}}, data: &data.Set{Hash: "cc"}}
	got := map[string]any{}
	for _, m := range j.origin() {
		got[m.Key] = m.Value
	}
	e, err := models.Lookup(base.Name)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"general.base_model.count": uint32(2), "general.base_model.0.name": base.Name, "general.base_model.0.version": "sha256:aa", "general.base_model.0.author": "A",
		"general.base_model.0.url": e.From(), "general.source.url": e.From(), "general.base_model.1.name": "t.gguf", "general.base_model.1.version": "sha256:bb", "general.base_model.1.url": "somewhere",
		"general.base_model.1.doi": "10/1", "general.dataset.count": uint32(1), "general.dataset.0.name": "rows.jsonl", "general.dataset.0.version": "sha256:cc"}
	if !maps.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	j.teacher = base
	if m := j.origin(); m[0].Value != uint32(1) {
		t.Errorf("one model that is teacher and base counts %v times", m[0].Value)
	}
}
