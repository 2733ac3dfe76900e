package safetensors_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/models/safetensors"
)

// maxFuzz bounds the inputs of fuzzing, in bytes: it finds nothing more in long ones, and is slower.
const maxFuzz = 2048

// FuzzParse: any bytes are refused with an error or give a file whose tensors can all be read, and which comes out the same
// when it is written, read and written again; and as an index they are refused or name files beside it. Seeds of
// testdata/fuzz are of the hostile corpus.
func FuzzParse(f *testing.F) {
	var b bytes.Buffer
	if err := sample().Encode(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00001.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFuzz {
			return
		}
		if shards, err := safetensors.Shards("index.json", data); err == nil {
			for _, s := range shards {
				if s == "" || filepath.Base(s) != s || !filepath.IsLocal(s) {
					t.Fatalf("the index names %q", s)
				}
			}
		}
		file, err := safetensors.Parse("fuzz.safetensors", data)
		if err != nil {
			return
		}
		if err := touch(file); err != nil {
			t.Fatal(err)
		}
		first := rewritten(t, file)
		again, err := safetensors.Parse("again.safetensors", first)
		if err != nil {
			t.Fatalf("what was read and written is refused: %v", err)
		}
		if second := rewritten(t, again); !bytes.Equal(first, second) {
			t.Fatal("written, read and written again gives other bytes")
		}
	})
}
