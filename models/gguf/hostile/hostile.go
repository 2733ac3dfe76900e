// Package hostile gives tests the corpus of malformed and odd GGUF files that fixtures/hostile describes: made afresh from
// a small valid file by its Python script, with what a safe loader answers to each. Only tests import it.
package hostile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Bases are the valid files that the corpus is made from.
var Bases = []string{"base_spm.gguf", "base_bpe256.gguf"}

// What each case may cost over the valid file.
const (
	WallLimit   = 2 * time.Second
	MemoryLimit = 64 << 20 // bytes
)

// Case is one file of the corpus.
type Case struct {
	Name     string `json:"name"`
	File     string `json:"file"`     // file name in Dir
	Area     string `json:"area"`     // header, kv, tensor-info, data, hparams, tokenizer, template, control, noise
	Field    string `json:"field"`    // what was changed
	Mutation string `json:"mutation"` // and how
	Expect   string `json:"expect"`   // error, must-load, either, load-then-error
	Stage    string `json:"stage"`    // container, model, tokenizer, template, forward: the last that may refuse in time

	Dir string `json:"-"`
}

// Path is where the file lies.
func (c Case) Path() string { return filepath.Join(c.Dir, c.File) }

// Make writes the corpus of one base, or only the cases named, into a temporary folder of the test. It needs python3: without it the test is
// skipped, or fails where the environment says CI=true.
func Make(t testing.TB, base string, only ...string) []Case {
	t.Helper()
	from := Folder(t)
	args := []string{filepath.Join(from, "make_bad_gguf.py"), filepath.Join(from, "base", base)}
	want := 276
	var more []string
	if len(only) > 0 {
		want = len(only)
		more = []string{"--only", "^(" + strings.Join(only, "|") + ")$"}
	}
	return run(t, want, args, more...)
}

// MakeSafetensors writes the corpus of malformed safetensors files, indices and tokenizer files, as Make does.
func MakeSafetensors(t testing.TB) []Case {
	t.Helper()
	return run(t, 86, []string{filepath.Join(Folder(t), "make_bad_safetensors.py")})
}

// run lets a maker write want cases into a new folder, whose name goes between args and more.
func run(t testing.TB, want int, args []string, more ...string) []Case {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("python3 is needed to make the hostile corpus: %v", err)
		}
		t.Skipf("NOT TESTED: python3 is needed to make the hostile corpus: %v", err)
	}
	dir := t.TempDir()
	args = append(append(args, dir), more...)
	out, err := exec.Command(python, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("making the hostile corpus: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Cases   []Case            `json:"cases"`
		Skipped []json.RawMessage `json:"skipped"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Cases) != want || len(manifest.Skipped) > 0 {
		t.Fatalf("%s: %d cases and %d skipped, want %d and none", args[0], len(manifest.Cases), len(manifest.Skipped), want)
	}
	for i := range manifest.Cases {
		manifest.Cases[i].Dir = dir
	}
	return manifest.Cases
}

// Folder is where the maker and its bases lie: in the folder FREEHOLD_FIXTURES (relative to the module root), beside
// the module, or in its testdata.
func Folder(t testing.TB) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(root) == root {
			t.Fatal("no go.mod above the test's folder")
		}
		root = filepath.Dir(root)
	}
	places := []string{filepath.Join(root, "..", "shared", "fixtures"), filepath.Join(root, "testdata")}
	if set := os.Getenv("FREEHOLD_FIXTURES"); set != "" {
		if !filepath.IsAbs(set) {
			set = filepath.Join(root, set)
		}
		places = []string{set}
	}
	for _, place := range places {
		if _, err := os.Stat(filepath.Join(place, "hostile", "make_bad_gguf.py")); err == nil {
			return filepath.Join(place, "hostile")
		}
	}
	t.Fatalf("no hostile/make_bad_gguf.py in %v", places)
	return ""
}

// Run gives one case to load, watched: a panic, more than WallLimit or more than MemoryLimit of allocations fail
// the test. It returns load's error. A load that hangs is left behind on its goroutine.
func Run(t testing.TB, c Case, load func(path string) error) error {
	t.Helper()
	type result struct {
		err      error
		panicked any
		stack    []byte
	}
	done := make(chan result, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() {
		var r result
		defer func() {
			if r.panicked = recover(); r.panicked != nil {
				r.stack = make([]byte, 16<<10)
				r.stack = r.stack[:runtime.Stack(r.stack, false)]
			}
			done <- r
		}()
		r.err = load(c.Path())
	}()
	select {
	case r := <-done:
		runtime.ReadMemStats(&after)
		if r.panicked != nil {
			t.Errorf("%s (%s: %s): panic: %v\n%s", c.Name, c.Field, c.Mutation, r.panicked, r.stack)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > MemoryLimit {
			t.Errorf("%s (%s: %s): %d MiB allocated, limit %d", c.Name, c.Field, c.Mutation, grown>>20, MemoryLimit>>20)
		}
		return r.err
	case <-time.After(WallLimit):
		t.Errorf("%s (%s: %s): not done after %v", c.Name, c.Field, c.Mutation, WallLimit)
		return errors.New("hung")
	}
}

// Judge fails the test where the answer to a case, loaded up to and with the stage the caller stands for, is not
// the manifest's. final tells whether that stage is the case's own or a later one; before it a file that is
// to be refused may still load.
func Judge(t testing.TB, c Case, err error, final bool) {
	t.Helper()
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s: %v", c.Name, err)
	}
	what := fmt.Sprintf("%s (%s: %s), stage %s", c.Name, c.Field, c.Mutation, c.Stage)
	switch c.Expect {
	case "error":
		if err == nil && final {
			t.Errorf("%s: loaded, want an error", what)
		}
	case "must-load":
		if err != nil {
			t.Errorf("%s: refused: %v", what, err)
		}
	case "load-then-error":
		if err != nil && !final {
			t.Errorf("%s: refused before its stage: %v", what, err)
		}
	case "either":
	default:
		t.Errorf("%s: unknown expectation %q", what, c.Expect)
	}
}
