package gguf_test

import (
	"bytes"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// maxFuzz bounds the inputs of fuzzing, in bytes: it finds nothing more in long ones, and is slower.
const maxFuzz = 4096

// FuzzParse: any bytes are refused with an error or give a file whose values and tensors can all be read, and which
// comes out the same when it is written, read and written again.
func FuzzParse(f *testing.F) {
	for _, path := range fixtures(f, "models/*.gguf") {
		f.Add(miniature(f, path))
	}
	f.Add(encode(f, version(1)))
	f.Add(encode(f, everyType()))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFuzz {
			return
		}
		file, err := gguf.Parse("fuzz.gguf", data)
		if err != nil {
			return
		}
		if err := touch(file); err != nil {
			t.Fatal(err)
		}
		first := encode(t, copyOf(file))
		again, err := gguf.Parse("again.gguf", first)
		if err != nil {
			t.Fatalf("what was read and written is refused: %v", err)
		}
		if second := encode(t, copyOf(again)); !bytes.Equal(first, second) {
			t.Fatal("written, read and written again gives other bytes")
		}
	})
}

// miniature is a model cut down to a few hundred bytes, which the fuzzer works through a hundred times faster: its short
// values and one block of its first tensor of each type.
func miniature(t testing.TB, path string) []byte {
	whole := open(t, path)
	w := gguf.NewWriter()
	for _, kv := range whole.KV {
		if kv.Value.Len < 32 {
			w.Set(kv.Key, kv.Value)
		}
	}
	w.Set("tokenizer.ggml.tokens", []string{"<s>", "a", "▁b"})
	seen := map[string]bool{}
	for _, tensor := range whole.Tensors {
		format, _ := quant.ByType(tensor.Type)
		if !seen[format.Name] {
			seen[format.Name] = true
			w.AddTensor(tensor.Name, tensor.Type, []int{format.Block}, tensor.Data[:format.Bytes])
		}
	}
	return encode(t, w)
}
