package safetensors_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf/hostile"
	"github.com/freehold-slm/freehold/models/safetensors"
)

// FuzzParse: any bytes are refused with an error or give a file whose tensors can all be read, and which comes out the same
// when it is written, read and written again.
func FuzzParse(f *testing.F) {
	for _, c := range hostile.MakeSafetensors(f) {
		if c.Area != "safetensors" {
			continue
		}
		if b, err := os.ReadFile(c.Path()); err != nil {
			f.Fatal(err)
		} else if len(b) < 4096 {
			f.Add(b)
		}
	}
	var b bytes.Buffer
	if err := sample().Encode(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
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
