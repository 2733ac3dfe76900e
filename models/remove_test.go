package models

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRemove(t *testing.T) {
	home := t.TempDir()
	t.Setenv("FREEHOLD_HOME", home)
	write := func(path string, n int) {
		t.Helper()
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, n), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var missing *NotPulledError
	if _, err := Remove("gemma-3-270m"); !errors.As(err, &missing) {
		t.Errorf("nothing there: %v", err)
	}
	var unknown *UnknownNameError
	if _, err := Remove("../gemma-3-270m"); !errors.As(err, &unknown) {
		t.Errorf("a path: %v", err)
	}
	write("models/gemma-3-270m.gguf", 100)
	write("models/gemma-3-270m.json", 7)
	write("models/gemma-3-270m.gguf.partial/source0/whole", 20)
	write("models/smollm2-135m-instruct.gguf", 5)
	write("data/movie-review-snippets.txt", 30)
	if n, err := Remove("gemma-3-270m"); err != nil || n != 120 {
		t.Errorf("freed %d, %v; want 120", n, err)
	}
	left, err := filepath.Glob(filepath.Join(home, "models", "gemma*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if n, err := Remove("movie-review-snippets"); err != nil || n != 30 {
		t.Errorf("freed %d, %v; want 30", n, err)
	}
	if _, err := os.Stat(filepath.Join(home, "models", "smollm2-135m-instruct.gguf")); err != nil {
		t.Errorf("another model went too: %v", err)
	}
}
