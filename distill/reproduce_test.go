package distill

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// A recipe that is run again gives every file again, with one thread and with two, on every CPU level that is not too slow for it; what
// is left out of the comparison is what clocked lists. Another model, row or teacher is named.
func TestReproduce(t *testing.T) {
	dir := ""
	again := func(o Options) *Reproduction {
		t.Helper()
		r, err := Reproduce(context.Background(), dir, "", o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := func(recipe string) {
		write(t, recipe, strings.NewReplacer("steps: 9", "steps: 4", `size_ratio: ">= 1"`, `size_ratio: ">= 1", speed_ratio: ">= 0"`).Replace(mustRead(t, recipe)))
		_, dir = mustApply(t, recipe, Options{Threads: 2}, Stages{})
	}
	levels := []string{""}
	if os.Getenv("FREEHOLD_LONG") == "1" {
		for _, l := range kernels.Levels() {
			if l.Name != "portable" { // minutes
				levels = append(levels, l.Name)
			}
		}
	}
	recipe := tinyJobOf(t, 64, 32)
	for i := range 2 * len(levels) { // a student that answers itself in some steps, then a classifier
		level := levels[i%len(levels)]
		switch i {
		case 0:
			first(tinyOwnJob(t, 32, 8))
		case len(levels):
			first(recipe)
		}
		r := again(Options{Threads: 1, Level: level})
		if bad := r.Different(); len(bad) > 0 || r.Equal() < 15 || r.First.Threads != 2 || r.Second.Threads != 1 {
			t.Errorf("level %q: %d equal, %+v", level, r.Equal(), bad)
		}
		for _, f := range r.Files {
			if _, listed := clocked[f.Name]; f.State == "left out" && !listed {
				t.Errorf("%s is left out and not listed", f.Name)
			}
		}
	}
	model := filepath.Join(dir, "model.gguf")
	b, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	write(t, model, string(b))
	write(t, filepath.Join(dir, "summary.json"), strings.Replace(mustRead(t, filepath.Join(dir, "summary.json")), `"gate": "passed"`, `"gate": "none"`, 1)) // the clock's
	if bad := again(Options{Threads: 2}).Different(); len(bad) != 1 || bad[0].Name != "model.gguf" || !strings.HasPrefix(bad[0].Note, "sha256 is ") {
		t.Errorf("another model: %+v", bad)
	}
	train := filepath.Join(filepath.Dir(recipe), "train.jsonl")
	write(t, train, strings.Replace(mustRead(t, train), `"label": "up"`, `"label": "down"`, 1))
	if bad := again(Options{Threads: 2}).Different(); len(bad) != 1 || bad[0].Name != "lock.json" || !strings.HasPrefix(bad[0].Note, "the data is another") {
		t.Errorf("another row: %+v", bad)
	}
	if _, err := Reproduce(context.Background(), dir, t.TempDir(), Options{}); err == nil {
		t.Error("a folder without the data is taken")
	}
}

// Of a summary everything is compared but what the clock and the machine say.
func TestTimeless(t *testing.T) {
	same := func(a, b string) bool {
		x, err := timeless([]byte(a))
		y, err2 := timeless([]byte(b))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return x == y
	}
	if !same(`{"seconds":{"train":1},"threads":1,"cpu_level":"avx2","student":{"rows_per_s":1,"joules_per_row":4},"energy":{"why":"a"},"cost":{"models":null},"metrics":{"speed_ratio":1,"accuracy":0.5},"gates":[{"metric":"speed_ratio","got":1}]}`,
		`{"seconds":{"train":2},"threads":2,"cpu_level":"amx","student":{"rows_per_s":3},"energy":{"why":"b"},"metrics":{"speed_ratio":2,"accuracy":0.5},"gates":[{"metric":"speed_ratio","got":2}]}`) {
		t.Error("clock and machine make a difference")
	}
	for _, other := range []string{`{"metrics":{"accuracy":0.6}}`, `{"metrics":{"accuracy":0.5},"agreement":0.1}`, `{"metrics":{"accuracy":0.5},"student":{"accuracy":0.5}}`} {
		if same(`{"metrics":{"accuracy":0.5}}`, other) {
			t.Errorf("%s is the same", other)
		}
	}
}

func mustRead(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
