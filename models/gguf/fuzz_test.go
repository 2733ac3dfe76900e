package gguf_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
)

// FuzzParse: any bytes are refused with an error or give a file whose values and tensors can all be read, and which, written
// again, reads the same.
func FuzzParse(f *testing.F) {
	seeds := append(fixtures(f, "models/*.gguf"), filepath.Join(hostile.Folder(f), "base", hostile.Bases[0]))
	for _, path := range seeds {
		if info, err := os.Stat(path); err != nil || info.Size() > 200<<10 {
			continue // large ones slow the fuzzer down
		}
		f.Add(read(f, path))
	}
	f.Add(encode(f, version(1)))
	f.Add(encode(f, everyType()))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse("fuzz.gguf", data)
		if err != nil {
			return
		}
		if err := touch(file); err != nil {
			t.Fatal(err)
		}
		again, err := gguf.Parse("again.gguf", encode(t, copyOf(file)))
		if err != nil {
			t.Fatalf("what was read and written is refused: %v", err)
		}
		same(t, file, again)
	})
}
