package gguf_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

func version(n int) *gguf.Writer {
	w := gguf.NewWriter()
	w.Set("general.name", fmt.Sprintf("version %d", n))
	w.AddTensor("a", kernels.Q8_0, []int{64, 3}, bytes.Repeat([]byte{byte(n)}, 3*2*34))
	w.AddTensorFunc("b", kernels.F32, []int{3, 2, 1, 1}, func(out io.Writer) error {
		for range 6 {
			if _, err := out.Write([]byte{byte(n), 0, 0, 0}); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

func TestWriterLayout(t *testing.T) {
	w := version(1)
	w.Set("general.alignment", uint32(64))
	w.Set("general.name", "renamed") // keeps its place
	data := encode(t, w)
	if again := encode(t, w); !bytes.Equal(data, again) {
		t.Error("encoding twice gives different bytes")
	}
	f, err := gguf.Parse("layout.gguf", data)
	if err != nil {
		t.Fatal(err)
	}
	if f.Version != 3 || f.Alignment != 64 || f.DataOffset%64 != 0 || f.Unused() != 0 || f.Size != int64(len(data)) {
		t.Errorf("version %d, alignment %d, data at %d, %d unused of %d", f.Version, f.Alignment, f.DataOffset, f.Unused(), f.Size)
	}
	if name, err := f.String("general.name"); name != "renamed" || err != nil || f.KV[0].Key != "general.name" {
		t.Errorf("name %q, %v, first key %q", name, err, f.KV[0].Key)
	}
	a, b := f.Tensors[0], f.Tensors[1]
	if a.Offset != f.DataOffset || b.Offset != f.DataOffset+256 || len(a.Data) != 204 || len(b.Data) != 24 {
		t.Errorf("tensors at %d and %d, %d and %d bytes", a.Offset, b.Offset, len(a.Data), len(b.Data))
	}
	if a.Rows() != 3 || b.Rows() != 2 || b.Elements() != 6 {
		t.Errorf("rows %d, %d, elements %d", a.Rows(), b.Rows(), b.Elements())
	}
}

// TestWriterRefuses gives the writer mistakes; each sticks and names what it is about.
func TestWriterRefuses(t *testing.T) {
	data := make([]byte, 128)
	for want, mistake := range map[string]func(w *gguf.Writer){
		`key "x": got a Go int`:                                     func(w *gguf.Writer) { w.Set("x", 1) },
		`key: got ""`:                                               func(w *gguf.Writer) { w.Set("", true) },
		`key: got "a\x00b"`:                                         func(w *gguf.Writer) { w.Set("a\x00b", true) },
		`key "general.alignment": got u32 4`:                        func(w *gguf.Writer) { w.Set("general.alignment", uint32(4)) },
		`key "general.alignment": got u64 64`:                       func(w *gguf.Writer) { w.Set("general.alignment", uint64(64)) },
		`tensor "t": got the name twice`:                            func(w *gguf.Writer) { w.AddTensor("t", 0, []int{32}, data); w.AddTensor("t", 0, []int{32}, data) },
		`tensor "t" type: got id 4`:                                 func(w *gguf.Writer) { w.AddTensor("t", 4, []int{32}, data) },
		`tensor "t" shape: got [33] of Q8_0`:                        func(w *gguf.Writer) { w.AddTensor("t", kernels.Q8_0, []int{33}, data) },
		`tensor "t" shape: got [] of F32`:                           func(w *gguf.Writer) { w.AddTensor("t", 0, nil, data) },
		`tensor "t" shape: got [1 1 1 1 1] of F32`:                  func(w *gguf.Writer) { w.AddTensor("t", 0, []int{1, 1, 1, 1, 1}, data) },
		`tensor "t" shape: got [2 0] of F32`:                        func(w *gguf.Writer) { w.AddTensor("t", 0, []int{2, 0}, data) },
		`tensor "t" shape: got [-2] of F32`:                         func(w *gguf.Writer) { w.AddTensor("t", 0, []int{-2}, data) },
		fmt.Sprintf(`tensor "t" shape: got [%d 4] of`, math.MaxInt): func(w *gguf.Writer) { w.AddTensor("t", kernels.I8, []int{math.MaxInt, 4}, data) },
		`tensor "t": got 128 bytes of data, want 132`:               func(w *gguf.Writer) { w.AddTensor("t", 0, []int{33}, data) },
		`tensor "t": 4 bytes more than`:                             func(w *gguf.Writer) { w.AddTensorFunc("t", 0, []int{31}, writes(data)) },
		`tensor "t": got 128 bytes of data, want 136`:               func(w *gguf.Writer) { w.AddTensorFunc("t", 0, []int{34}, writes(data)) },
		`tensor "` + strings.Repeat("n", 64) + `": got this name, want 1 to 63 bytes`: func(w *gguf.Writer) {
			w.AddTensor(strings.Repeat("n", 64), 0, []int{32}, data)
		},
	} {
		w := gguf.NewWriter()
		mistake(w)
		if err := w.Encode(io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s ...", err, want)
		}
	}
}

func writes(data []byte) func(io.Writer) error {
	return func(out io.Writer) error { _, err := out.Write(data); return err }
}

// faultFS is the real file system whose nth operation fails; a failing Write first writes half.
type faultFS struct {
	gguf.OS
	left  int
	fault error
	what  string // the operation that failed
}

func (d *faultFS) fails(what string) bool {
	d.left--
	if d.left == 0 {
		d.what = what
	}
	return d.left == 0
}

func (d *faultFS) Create(name string) (gguf.FSFile, error) {
	if d.fails("create") {
		return nil, d.fault
	}
	f, err := d.OS.Create(name)
	return &faultFile{f, d}, err
}

func (d *faultFS) Rename(old, new string) error {
	if d.fails("rename") {
		return d.fault
	}
	return d.OS.Rename(old, new)
}

func (d *faultFS) SyncDir(dir string) error {
	if d.fails("sync folder") {
		return d.fault
	}
	return d.OS.SyncDir(dir)
}

type faultFile struct {
	gguf.FSFile
	disk *faultFS
}

func (f *faultFile) Write(p []byte) (int, error) {
	if f.disk.fails("write") {
		n, _ := f.FSFile.Write(p[:len(p)/2])
		return n, f.disk.fault
	}
	return f.FSFile.Write(p)
}

func (f *faultFile) Sync() error {
	if f.disk.fails("sync") {
		return f.disk.fault
	}
	return f.FSFile.Sync()
}

func (f *faultFile) Close() error {
	err := f.FSFile.Close()
	if f.disk.fails("close") {
		return f.disk.fault
	}
	return err
}

// TestWriteToFaults fails each operation in turn: path holds the old file, whole, until the rename and the new one, whole, after
// it; the error tells the cause and no temporary file is left.
func TestWriteToFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	before, after := encode(t, version(1)), encode(t, version(2))
	var failed []string
	for n := 1; ; n++ {
		if err := version(1).WriteTo(path); err != nil {
			t.Fatal(err)
		}
		disk := &faultFS{left: n, fault: syscall.ENOSPC}
		err := version(2).WriteToFS(disk, path)
		if disk.what == "" {
			if err != nil || !bytes.Equal(read(t, path), after) {
				t.Errorf("without a fault: %v", err)
			}
			break
		}
		failed = append(failed, disk.what)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path) {
			t.Errorf("fault in %s: error %v", disk.what, err)
		}
		want := before
		if disk.what == "sync folder" {
			want = after
		}
		if !bytes.Equal(read(t, path), want) {
			t.Errorf("fault in %s: the file is neither whole nor the one expected", disk.what)
		}
		if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
			t.Errorf("fault in %s: %v left behind", disk.what, left)
		}
	}
	if got := strings.Join(failed, ", "); got != "create, write, sync, close, rename, sync folder" {
		t.Errorf("operations that failed: %s", got)
	}
}

// A temporary file that a killed writer left, or a link planted in its place, is replaced and not written through.
func TestWriteToStaleTemp(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "m.gguf"), filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, path+".tmp"); err != nil {
		t.Skip(err)
	}
	if err := version(1).WriteTo(path); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, victim)); got != "precious" {
		t.Errorf("the link's target was overwritten: %q", got[:min(20, len(got))])
	}
	open(t, path)
}
