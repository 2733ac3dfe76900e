package safetensors_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf/hostile"
	"github.com/freehold-slm/freehold/models/safetensors"
)

// chosen is what this reader answers where the corpus leaves it open.
var chosen = map[string]string{
	"json-100k-tensors": "",
	"json-big-name":     "1 to 65535 bytes",
	"json-extra-field":  "dtype, shape and data_offsets",
	"shape-1000-dims":   "more than 16 numbers",
	"name-path":         "",
	"name-empty":        "1 to 65535 bytes",
	"bool-2":            "",
}

// TestFixturesHostile opens the corpus of malformed files and indices: each is answered as its manifest says, in bounds of
// time and memory, by an error that names file, field, got and want.
func TestFixturesHostile(t *testing.T) {
	tried := 0
	for _, c := range hostile.MakeSafetensors(t) {
		if c.Area != "safetensors" && c.Area != "index" {
			continue // tokenizer files: package hf
		}
		tried++
		t.Run(c.Name, func(t *testing.T) {
			err := hostile.Run(t, c, func(path string) error {
				if c.Area == "index" {
					m, err := safetensors.OpenIndex(path)
					if err == nil {
						m.Close() //nolint:errcheck // read only
					}
					return err
				}
				f, err := safetensors.Open(path)
				if err != nil {
					return err
				}
				defer f.Close() //nolint:errcheck // read only
				return touch(f)
			})
			if c.Name == "index-missing" { // the error says which file is not there
				if err == nil || !strings.Contains(err.Error(), "model-00009-of-00001.safetensors") || !strings.Contains(err.Error(), c.Path()) {
					t.Errorf("got %v, want an error that names index and shard", err)
				}
				return
			}
			hostile.Judge(t, c, err, true)
			var bad *safetensors.Error
			if err != nil && (!errors.As(err, &bad) || bad.File != c.Path() || bad.Field == "" || bad.Got == "" || bad.Want == "") {
				t.Errorf("error does not name file, field, got and want: %v", err)
			}
			if err != nil && (len(err.Error()) > 1500 || strings.ContainsAny(err.Error(), "\n\x1b")) {
				t.Errorf("error is long or carries control characters: %q", err)
			}
			if c.Expect != "either" {
				return
			}
			want, listed := chosen[c.Name]
			if !listed {
				t.Errorf("no answer is written down for this case; got %v", err)
			} else if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, the answer written down is %q", err, want)
			}
		})
	}
	if tried < 60 {
		t.Errorf("%d cases, want 60 at least", tried)
	}
}

// touch reads the ends of each tensor.
func touch(f *safetensors.File) error {
	for i := range f.Tensors {
		x := &f.Tensors[i]
		if found, ok := f.Tensor(x.Name); !ok || found != x {
			return errors.New("tensor lost: " + x.Name)
		}
		size, ok := x.DType.Size()
		if !ok || int64(size)*int64(x.Elements()) != x.Bytes {
			return errors.New("size of " + x.Name)
		}
		if x.Bytes == 0 {
			continue
		}
		var b [1]byte
		for _, at := range []int64{0, x.Bytes - 1} {
			if _, err := x.ReadAt(b[:], at); err != nil {
				return err
			}
		}
		if _, err := x.ReadAt(b[:], x.Bytes); err == nil {
			return errors.New("a read past the end of " + x.Name)
		}
	}
	return nil
}
