package models

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// fixtures returns the reference data folder: FREEHOLD_FIXTURES (relative to the module root), else a sibling
// checkout's shared data, else testdata.
func fixtures(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if d := os.Getenv("FREEHOLD_FIXTURES"); d != "" {
		if filepath.IsAbs(d) {
			return d
		}
		return filepath.Join(root, d)
	}
	if d := filepath.Join(root, "..", "shared", "fixtures"); dirExists(d) {
		return d
	}
	return filepath.Join(root, "testdata")
}

func dirExists(d string) bool { st, err := os.Stat(d); return err == nil && st.IsDir() }

// fixture returns the path of a reference model's file: of the reference data, else of testdata, which holds some of it. A
// test of a model that neither has is left out, and says so.
func fixture(t testing.TB, file string) string {
	t.Helper()
	for _, dir := range []string{fixtures(t), filepath.Join("..", "testdata")} {
		if path := filepath.Join(dir, "models", file); fileExists(path) {
			return path
		}
	}
	t.Skipf("NOT TESTED: %s is neither in %s nor in testdata", file, fixtures(t))
	return ""
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

// Every model file either has a known architecture and passes every check, or is refused by an error that names it.
func TestFixturesSpecs(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(fixtures(t), "models", "*.gguf"))
	if len(files) == 0 {
		t.Fatal("no model fixtures")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			arch, _ := f.String("general.architecture")
			_, known := architectures[arch]
			s, err := NewSpec(f)
			if known && err != nil && !strings.Contains(err.Error(), "cannot be decoded") {
				t.Fatal(err)
			}
			if !known && (err == nil || !strings.Contains(err.Error(), arch)) {
				t.Fatalf("unknown architecture %s: error %v does not name it", arch, err)
			}
			if err == nil {
				p := s.Program()
				if p.Width[p.Logits] != s.Vocab {
					t.Fatalf("logits have width %d, want %d", p.Width[p.Logits], s.Vocab)
				}
			}
		})
	}
}
