package hf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/hf"
	"github.com/freehold-slm/freehold/models/safetensors"
)

// read returns the bytes of all tensors of a folder.
func read(t *testing.T, dir string) (map[string][]byte, map[string]*safetensors.Tensor) {
	t.Helper()
	m, err := safetensors.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() }) //nolint:errcheck // read only
	all := map[string][]byte{}
	for name, x := range m.Tensors {
		all[name] = make([]byte, x.Bytes)
		if _, err := x.ReadAt(all[name], 0); err != nil {
			t.Fatal(err)
		}
	}
	return all, m.Tensors
}

// There and back: safetensors to GGUF to safetensors gives every tensor its name, type, shape and bits, and the folder gives the same
// GGUF file again, whether in one file or in shards. Only Gemma's norm weights in F32, which GGUF keeps plus 1, lose their last bits.
func TestFixturesRoundTrip(t *testing.T) {
	for _, c := range cases {
		for _, dtype := range []safetensors.DType{"F32", "BF16"} {
			t.Run(c.fixture+" "+string(dtype), func(t *testing.T) {
				src := folderOf(t, reference(t, c.fixture), c.class, c.config)
				src.tokenizerConfig = object{"chat_template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}", "bos_token": "a"}
				dir := src.write(t, dtype)
				file := fileBytes(t, dir)
				f, err := gguf.Parse("converted.gguf", file)
				if err != nil {
					t.Fatal(err)
				}
				for _, shard := range []int64{0, 150_000} {
					e, err := hf.NewExport(f, hf.ExportOptions{ShardSize: shard})
					if err != nil {
						t.Fatal(err)
					}
					back := filepath.Join(t.TempDir(), filepath.Base(dir)) // the name of the folder is the model's
					if err := e.WriteTo(back); err != nil {
						t.Fatal(err)
					}
					if _, err := os.Stat(filepath.Join(back, safetensors.IndexName)); (err == nil) != (shard > 0) {
						t.Errorf("shards of %d bytes: index %v", shard, err)
					}
					want, from := read(t, dir)
					got, to := read(t, back)
					if e.Class != c.class || len(got) != len(want) {
						t.Errorf("%s with %d tensors, want %s with %d", e.Class, len(got), c.class, len(want))
					}
					for name, b := range want {
						x := to[name]
						switch {
						case x == nil || x.DType != from[name].DType || !slices.Equal(x.Shape, from[name].Shape):
							t.Errorf("%s: %+v, want %s %v", name, x, from[name].DType, from[name].Shape)
						case dtype == "F32" && strings.HasPrefix(c.fixture, "gemma") && strings.HasSuffix(name, "norm.weight"):
							for i := 0; i < len(b); i += 4 {
								u, v := math.Float32frombits(binary.LittleEndian.Uint32(b[i:])), math.Float32frombits(binary.LittleEndian.Uint32(got[name][i:]))
								if v != u+1-1 {
									t.Fatalf("%s: value %d is %v, want %v", name, i/4, v, u)
								}
							}
						case !bytes.Equal(got[name], b):
							t.Errorf("%s has other values", name)
						}
					}
					addedInVocab(t, filepath.Join(back, "tokenizer.json"))
					if again := fileBytes(t, back); !bytes.Equal(again, file) {
						t.Errorf("the folder that came back gives another file: %d bytes, want %d", len(again), len(file))
					}
				}
			})
		}
	}
}

// addedInVocab: the tokenizers library gives added tokens that the model's vocabulary lacks ids of its own.
func addedInVocab(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Added []struct {
			ID      int
			Content string
		} `json:"added_tokens"`
		Model struct{ Vocab map[string]int }
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Added) == 0 {
		t.Fatalf("%s: %d added tokens, %v", path, len(file.Added), err)
	}
	for _, a := range file.Added {
		if id, ok := file.Model.Vocab[a.Content]; !ok || id != a.ID {
			t.Errorf("added token %q has id %d, the vocabulary's is %d (%v)", a.Content, a.ID, id, ok)
		}
	}
}

func fileBytes(t *testing.T, dir string) []byte {
	t.Helper()
	c, err := hf.Convert(dir, hf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // read only
	var b bytes.Buffer
	if err := c.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What config.json cannot state is refused, and a folder with files in it is left alone.
func TestFixturesExportRefused(t *testing.T) {
	for name, says := range map[string]string{
		"nomic-bert": "general.architecture", "llama-ropefreqs-tied": "rope_freqs", "llama256": "", "llama-gqa": "", "llama-yarn": "", "llama-linear": "", "llama-headdim": "", "llama-bias-mha": "",
	} {
		f := modelOf(t, name)
		_, err := hf.NewExport(f, hf.ExportOptions{})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: got %v, want %q", name, err, says)
		}
	}
	e, err := hf.NewExport(reference(t, "llama-gqa"), hf.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := e.WriteTo(dir); err == nil || !strings.Contains(err.Error(), "an empty folder") {
		t.Errorf("got %v", err)
	}
}
