package gguf_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
)

// fixtures lists the reference files that match a pattern under the fixtures folder.
func fixtures(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(hostile.Folder(t), "..", pattern))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// TestFixturesRoundTrip reads each model, writes what was read and gets the same bytes, so the same values and tensors:
// the writer lays files out as llama.cpp and gguf-py do.
func TestFixturesRoundTrip(t *testing.T) {
	files := append(fixtures(t, "models/*.gguf"), fixtures(t, "train/*/*.gguf")...)
	if len(files) == 0 {
		t.Fatal("no models")
	}
	for _, path := range files {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			f := open(t, path)
			if err := touch(f); err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "copy.gguf")
			if err := copyOf(f).WriteTo(copied); err != nil {
				t.Fatal(err)
			}
			same(t, f, open(t, copied))
			if got, want := read(t, copied), read(t, path); !bytes.Equal(got, want) {
				t.Errorf("the copy has %d bytes that differ from the original's %d", len(got), len(want))
			}
		})
	}
}

// TestFixturesVocabularies parses the vocabulary-only files of llama.cpp.
func TestFixturesVocabularies(t *testing.T) {
	files := fixtures(t, "tokenizers/*.gguf.gz")
	if len(files) == 0 {
		t.Skip("no tokenizers/ in the fixtures folder")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := gguf.Parse(path, gunzip(t, path))
			if err != nil {
				t.Fatal(err)
			}
			if err := touch(f); err != nil {
				t.Fatal(err)
			}
			tokens, err := f.Strings("tokenizer.ggml.tokens")
			if err != nil || len(tokens) < 30000 {
				t.Errorf("%d tokens, %v", len(tokens), err)
			}
			types, err := f.Ints("tokenizer.ggml.token_type")
			if err != nil || len(types) != len(tokens) {
				t.Errorf("%d token types for %d tokens, %v", len(types), len(tokens), err)
			}
		})
	}
}

// copyOf gives a writer all that a file holds.
func copyOf(f *gguf.File) *gguf.Writer {
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		w.Set(kv.Key, kv.Value)
	}
	for _, t := range f.Tensors {
		w.AddTensor(t.Name, t.Type, t.Shape, t.Data)
	}
	return w
}

// same compares all that two files say.
func same(t *testing.T, a, b *gguf.File) {
	t.Helper()
	byText := cmp.Transformer("value", func(v gguf.Value) map[string]any {
		strings, _ := v.Strings()
		ints, _ := v.Ints()
		floats, _ := v.Floats()
		bools, _ := v.Bools()
		text, _ := v.Text()
		return map[string]any{"type": v.TypeName(), "text": text, "shown": v.String(), "strings": strings, "ints": ints, "floats": floats, "bools": bools}
	})
	if diff := cmp.Diff(a.KV, b.KV, byText); diff != "" {
		t.Errorf("metadata differ: %s", diff)
	}
	if len(a.Tensors) != len(b.Tensors) {
		t.Fatalf("%d tensors, want %d", len(b.Tensors), len(a.Tensors))
	}
	for i := range a.Tensors {
		x, y := a.Tensors[i], b.Tensors[i]
		if x.Name != y.Name || x.Type != y.Type || !cmp.Equal(x.Shape, y.Shape) || !bytes.Equal(x.Data, y.Data) {
			t.Errorf("tensor %s differs", x.Name)
		}
	}
}

func gunzip(t testing.TB, path string) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
