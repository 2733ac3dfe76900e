package gguf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// splitModel writes a model of so many parts with two tensors each; edit may change a part before it is written.
func splitModel(t *testing.T, parts int, edit func(no int, w *Writer)) (first string) {
	t.Helper()
	dir := t.TempDir()
	for no := range parts {
		w := NewWriter()
		if no == 0 {
			w.Set("general.architecture", "llama")
			w.Set("general.name", "whole")
		}
		w.Set("split.no", uint16(no))
		w.Set("split.count", uint16(parts))
		w.Set("split.tensors.count", int32(2*parts))
		for i := range 2 {
			data := []byte(fmt.Sprintf("%d.%d-part", no, i)) // 8 bytes
			w.AddTensor(fmt.Sprintf("t%d.%d", no, i), kernels.F32, []int{2}, data)
		}
		if edit != nil {
			edit(no, w)
		}
		path := filepath.Join(dir, fmt.Sprintf("m-%05d-of-%05d.gguf", no+1, parts))
		if err := w.WriteTo(path); err != nil {
			t.Fatal(err)
		}
		if no == 0 {
			first = path
		}
	}
	return first
}

func TestSplit(t *testing.T) {
	first := splitModel(t, 3, nil)
	f, err := Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Parts() != 3 || len(f.Tensors) != 6 || f.Has("split.count") {
		t.Errorf("%d parts, %d tensors, keys %v; want 3, 6 and no split.count", f.Parts(), len(f.Tensors), f.KV)
	}
	if name, err := f.String("general.name"); err != nil || name != "whole" {
		t.Errorf("general.name is %q (%v)", name, err)
	}
	size := int64(0)
	paths, err := PartsOf(first)
	if err != nil || len(paths) != 3 {
		t.Fatalf("parts are %q (%v)", paths, err)
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if f.Size != size || f.Unused() != 0 {
		t.Errorf("%d bytes, %d of them unused, want %d and 0", f.Size, f.Unused(), size)
	}
	for no := range 3 {
		for i := range 2 {
			x, ok := f.Tensor(fmt.Sprintf("t%d.%d", no, i))
			if want := fmt.Sprintf("%d.%d-part", no, i); !ok || string(x.Data) != want {
				t.Errorf("tensor %d of part %d is %v", i, no, x)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := PartsOf(filepath.Join(t.TempDir(), "none.gguf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("parts of a file that is not there: %v", err)
	}
}

// What is not the whole of one model is refused by an error that names the part.
func TestSplitRefused(t *testing.T) {
	part := func(first string, no, of int) string {
		return filepath.Join(filepath.Dir(first), fmt.Sprintf("m-%05d-of-%05d.gguf", no, of))
	}
	remove := func(no int) func(string) string {
		return func(first string) string {
			if err := os.Remove(part(first, no, 3)); err != nil {
				t.Fatal(err)
			}
			return first
		}
	}
	whole := func(first string) string { return first }
	for _, c := range []struct {
		name string
		edit func(no int, w *Writer)
		path func(first string) string
		want []string
	}{
		{"a part is missing", nil, remove(2), []string{"m-00002-of-00003.gguf", "no such file"}},
		{"the last is missing", nil, remove(3), []string{"m-00003-of-00003.gguf"}},
		{"not the first", nil, func(first string) string { return part(first, 2, 3) }, []string{"part 2 of 3", "m-00001-of-00003.gguf"}},
		{"another name", nil, func(first string) string {
			to := filepath.Join(filepath.Dir(first), "model.gguf")
			if err := os.Rename(first, to); err != nil {
				t.Fatal(err)
			}
			return to
		}, []string{"model.gguf", "-00001-of-00003.gguf"}},
		{"parts in each other's place", func(no int, w *Writer) {
			if no > 0 {
				w.Set("split.no", uint16(3-no))
			}
		}, whole, []string{"m-00002-of-00003.gguf", "split.no", "got 2, want 1"}},
		{"another count", func(no int, w *Writer) {
			if no == 2 {
				w.Set("split.count", uint16(4))
			}
		}, whole, []string{"m-00003-of-00003.gguf", "split.count"}},
		{"no count", func(no int, w *Writer) { w.Set("split.count", uint16(0)) }, whole, []string{"split.count", "got 0"}},
		{"a count beyond the name", func(no int, w *Writer) { w.Set("split.count", uint32(1<<31)) }, whole, []string{"split.count"}},
		{"a negative number", func(no int, w *Writer) { w.Set("split.no", int32(-1)) }, whole, []string{"split.no", "-1"}},
		{"too few tensors", func(no int, w *Writer) { w.Set("split.tensors.count", int32(7)) }, whole, []string{"split.tensors.count", "got 7", "6"}},
		{"a tensor twice", func(no int, w *Writer) {
			if no == 2 {
				w.AddTensor("t0.1", kernels.F32, []int{2}, make([]byte, 8))
			}
		}, whole, []string{"m-00003-of-00003.gguf", "t0.1", "m-00001-of-00003.gguf"}},
		{"parts of different models", func(no int, w *Writer) {
			if no == 1 {
				w.Set("general.name", "other")
			}
		}, whole, []string{"m-00002-of-00003.gguf", "general.name", "another model"}},
		{"no number", func(no int, w *Writer) {
			if no == 1 {
				w.kv = w.kv[1:]
			}
		}, whole, []string{"m-00002-of-00003.gguf", "split.no"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Open(c.path(splitModel(t, 3, c.edit)))
			if err == nil {
				f.Close()
				t.Fatal("opened")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not name %q", err, want)
				}
			}
			var bad *Error
			if !errors.As(err, &bad) {
				t.Errorf("%v is a %T, want *Error", err, err)
			}
		})
	}
}
