package safetensors_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/safetensors"
)

// give writes b.
func give(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// count is n bytes that differ.
func count(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

func sample() *safetensors.Writer {
	w := safetensors.NewWriter()
	w.Metadata = map[string]string{"format": "pt", "quoted \"": "\u2028é\n"}
	w.Add("z", "F32", []int{2, 3}, give(count(24)))
	w.Add("a \"b\"", "BF16", []int{5}, give(count(10)))
	w.Add("empty", "I64", []int{0, 4}, give(nil))
	w.Add("scalar", "U8", nil, give(count(1)))
	return w
}

// What is written is read back, tensor by tensor, and written again gives the same bytes.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := sample().WriteTo(path); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	if !maps.Equal(f.Metadata, sample().Metadata) {
		t.Errorf("metadata %q", f.Metadata)
	}
	for name, want := range map[string][]byte{"z": count(24), "a \"b\"": count(10), "empty": {}, "scalar": count(1)} {
		x, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("no tensor %q", name)
		}
		got := make([]byte, x.Bytes)
		if _, err := x.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	if x, _ := f.Tensor("z"); !slices.Equal(x.Shape, []int{2, 3}) || x.DType != "F32" || x.Offset%8 != 0 {
		t.Errorf("z is %+v", x)
	}
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again := rewritten(t, f); !bytes.Equal(again, disk) {
		t.Error("read and written again gives other bytes")
	}
	f.Close() //nolint:errcheck // a second time below
	x, _ := f.Tensor("z")
	if _, err := x.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a closed file can be read")
	}
}

func rewritten(t testing.TB, f *safetensors.File) []byte {
	t.Helper()
	w := safetensors.NewWriter()
	w.Metadata = f.Metadata
	for i := range f.Tensors {
		x := &f.Tensors[i]
		b := make([]byte, x.Bytes)
		if _, err := x.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		w.Add(x.Name, x.DType, x.Shape, give(b))
	}
	var out bytes.Buffer
	if err := w.Encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Mistakes of the caller are told, and no file is left.
func TestWriteMistakes(t *testing.T) {
	for want, add := range map[string]func(w *safetensors.Writer){
		"the name twice":      func(w *safetensors.Writer) { w.Add("z", "F32", nil, give(count(4))) },
		`dtype "Q4_K"`:        func(w *safetensors.Writer) { w.Add("q", "Q4_K", nil, give(nil)) },
		"shape [-1]":          func(w *safetensors.Writer) { w.Add("q", "F32", []int{-1}, give(nil)) },
		"shape [4611686":      func(w *safetensors.Writer) { w.Add("q", "F32", []int{1 << 62}, give(nil)) },
		"7 bytes of data":     func(w *safetensors.Writer) { w.Add("q", "F32", []int{2}, give(count(7))) },
		"control characters":  func(w *safetensors.Writer) { w.Add("q\n", "F32", []int{1}, give(count(4))) },
		`tensor "__metadata_`: func(w *safetensors.Writer) { w.Add("__metadata__", "F32", []int{1}, give(count(4))) },
	} {
		w, dir := sample(), t.TempDir()
		add(w)
		err := w.WriteTo(filepath.Join(dir, "m.safetensors"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left behind: %v", want, left)
		}
	}
}

// A folder's model is one file or several; an index that does not tell the truth is refused.
func TestFolder(t *testing.T) {
	shards := func(t *testing.T, weights map[string]string) string {
		dir := t.TempDir()
		for i, name := range []string{"a", "b"} {
			w := safetensors.NewWriter()
			w.Add(name, "F32", []int{1}, give(count(4)))
			w.Add(name+"2", "F32", []int{1}, give(count(4)))
			if err := w.WriteTo(filepath.Join(dir, fmt.Sprintf("model-%d.safetensors", i+1))); err != nil {
				t.Fatal(err)
			}
		}
		text, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 16, "x": []any{1.5, nil, "s", map[string]any{}}}, "weight_map": weights})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, safetensors.IndexName), text, 0o666); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	right := map[string]string{"a": "model-1.safetensors", "a2": "model-1.safetensors", "b": "model-2.safetensors", "b2": "model-2.safetensors"}
	with := func(tensor, shard string) map[string]string {
		m := maps.Clone(right)
		if m[tensor] = shard; shard == "" {
			delete(m, tensor)
		}
		return m
	}
	for _, c := range []struct {
		name    string
		weights map[string]string
		want    string
	}{
		{"right", right, ""},
		{"wrong shard", with("a", "model-2.safetensors"), `weight_map "a"`},
		{"tensor missing from a shard", with("c", "model-2.safetensors"), `weight_map "c"`},
		{"tensor missing from the index", with("a2", ""), `tensor "a2"`},
		{"shard missing", with("c", "model-3.safetensors"), "model-3.safetensors"},
		{"shard elsewhere", with("c", "../model-3.safetensors"), "beside the index"},
		{"shard of another kind", with("c", "config.json"), "beside the index"},
		{"empty", map[string]string{}, "no weight_map"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := safetensors.OpenFolder(shards(t, c.weights))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close() //nolint:errcheck // read only
			if len(m.Tensors) != 4 || len(m.Files) != 2 || m.Tensors["b"].Name != "b" {
				t.Errorf("got %v", m.Tensors)
			}
		})
	}
	dir := t.TempDir()
	if _, err := safetensors.OpenFolder(dir); !os.IsNotExist(err) && (err == nil || !strings.Contains(err.Error(), safetensors.IndexName)) {
		t.Errorf("an empty folder: %v", err)
	}
	if err := sample().WriteTo(filepath.Join(dir, safetensors.SingleName)); err != nil {
		t.Fatal(err)
	}
	m, err := safetensors.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // read only
	if m.Tensors["z"] == nil {
		t.Error("the tensor of the single file is not found")
	}
}
