package distill

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	for _, want := range []string{"manifest.json", "SHA256SUMS", "model.gguf", "summary.json", "data.json", "report.html", "lock.json", "recipe.yaml", "metrics.jsonl"} {
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
