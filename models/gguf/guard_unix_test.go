//go:build unix

package gguf_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// bigFile writes a file with 1 MiB of F32 ones and opens it.
func bigFile(t *testing.T) (string, *gguf.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "big.gguf")
	data := make([]byte, 1<<20)
	for i := 0; i < len(data); i += 4 {
		data[i+2], data[i+3] = 0x80, 0x3f // 1.0
	}
	w := gguf.NewWriter()
	w.Set("general.name", "big")
	w.Set("tokenizer.ggml.tokens", []string{"a", "b"})
	w.AddTensor("w", kernels.F32, []int{512, 512}, data)
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path, open(t, path)
}

// A file cut short under a live mapping gives an error in each goroutine that reads it, not a dead process, and
// metadata stay readable.
func TestGuardTruncatedWhileMapped(t *testing.T) {
	path, f := bigFile(t)
	tensor, _ := f.Tensor("w")
	if err := f.Guard(tensor.CheckFinite); err != nil {
		t.Fatalf("before the cut: %v", err)
	}
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			err := f.Guard(tensor.CheckFinite)
			var bad *gguf.Error
			if !errors.As(err, &bad) || bad.File != path || !strings.Contains(bad.Got, "cut short") {
				t.Errorf("got %v, want an error that the file was cut short", err)
			}
			err = f.Guard(func() error { // a copy faults inside the runtime's memmove
				copy(make([]byte, len(tensor.Data)), tensor.Data)
				return nil
			})
			if err == nil {
				t.Error("copying a cut tensor gave no error")
			}
		})
	}
	workers.Wait()
	if tokens, err := f.Strings("tokenizer.ggml.tokens"); err != nil || len(tokens) != 2 || tokens[1] != "b" {
		t.Errorf("metadata after the cut: %v, %v", tokens, err)
	}
}

// Other panics pass through a Guard as they are.
func TestGuardOtherPanics(t *testing.T) {
	_, f := bigFile(t)
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v, want the panic of the caller", r)
		}
	}()
	_ = f.Guard(func() error { panic("mine") })
}

func TestGuardAllocates0(t *testing.T) {
	_, f := bigFile(t)
	work := func() error { return nil }
	if n := testing.AllocsPerRun(100, func() { _ = f.Guard(work) }); n != 0 {
		t.Errorf("%v allocations a call, want 0", n)
	}
}

func TestOpenNotRegular(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, "/dev/zero"} {
		if f, err := gguf.Open(path); err == nil {
			f.Close()
			t.Errorf("%s opened", path)
		} else if !strings.Contains(err.Error(), "want a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := gguf.Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}
