package gguf_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// sparseFS writes zeros as holes, so that a large file takes neither time nor disk.
type sparseFS struct{ gguf.OS }

func (s sparseFS) Create(name string) (gguf.FSFile, error) {
	f, err := os.Create(name)
	return &sparseFile{File: f}, err
}

type sparseFile struct {
	*os.File
	size int64
}

func (f *sparseFile) Write(p []byte) (int, error) {
	at := f.size
	f.size += int64(len(p))
	if len(bytes.Trim(p, "\x00")) == 0 {
		return len(p), f.Truncate(f.size)
	}
	return f.WriteAt(p, at)
}

// large writes a file like a 0.5B model's: 152 064 tokens, 151 387 merges, 290 tensors, 500 MB.
func large(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.gguf")
	w := gguf.NewWriter()
	tokens, merges, types := make([]string, 152064), make([]string, 151387), make([]int32, 152064)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("Ġtok%d", i)
	}
	for i := range merges {
		merges[i] = fmt.Sprintf("Ġt ok%d", i)
	}
	w.Set("general.architecture", "qwen2")
	w.Set("tokenizer.ggml.tokens", tokens)
	w.Set("tokenizer.ggml.token_type", types)
	w.Set("tokenizer.ggml.merges", merges)
	zeros := make([]byte, 1<<20)
	for i := range 290 {
		w.AddTensorFunc(fmt.Sprintf("blk.%d.weight", i), kernels.F16, []int{896, 1024}, func(out io.Writer) error {
			for left := 896 * 1024 * 2; left > 0; left -= len(zeros) {
				if _, err := out.Write(zeros[:min(left, len(zeros))]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := w.WriteToFS(sparseFS{}, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Opening a 500 MB file with a large vocabulary takes milliseconds and few allocations, and so does
// getting at its 152 064 tokens.
func TestOpenIsLight(t *testing.T) {
	path := large(t)
	best := time.Hour
	var before, after runtime.MemStats
	for range 5 { // the best of five: the machine may be busy
		runtime.ReadMemStats(&before)
		start := time.Now()
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
		runtime.ReadMemStats(&after)
		if f.Size < 500<<20 || f.Unused() != 0 {
			t.Fatalf("%d bytes, %d unused", f.Size, f.Unused())
		}
		f.Close()
	}
	opens, opened := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	f := open(t, path)
	start := time.Now()
	tokens, err := f.Strings("tokenizer.ggml.tokens")
	listing := time.Since(start)
	if err != nil || tokens[152063] != "Ġtok152063" {
		t.Fatalf("tokens: %v", err)
	}
	lists := testing.AllocsPerRun(1, func() { _, _ = f.Strings("tokenizer.ggml.tokens") })
	t.Logf("open %v, %d allocations, %d KiB; tokens %v, %v allocations", best, opens, opened>>10, listing, lists)
	if best > 15*time.Millisecond {
		t.Errorf("opening took %v, limit 15ms", best)
	}
	if opens > 500 { // one a name, 294 names
		t.Errorf("%d allocations to open, limit 500", opens)
	}
	if opened > 12<<20 { // the header is 6.6 MB
		t.Errorf("%d bytes allocated to open", opened)
	}
	if lists > 1 {
		t.Errorf("%v allocations to list the tokens, want 1", lists)
	}
}
