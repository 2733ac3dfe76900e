package gguf_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
	"github.com/freehold-slm/freehold/quant"
)

// chosen is what this reader answers where the corpus leaves it open (expect "either"); the noise cases are free.
var chosen = map[string]string{
	"kv-key-empty":    "name length got 0, want 1 to 65535 bytes",
	"kv-key-nul":      "without control characters",
	"kv-key-bad-utf8": "UTF-8",
	"kv-key-64k":      "name length got 65536",
	"kv-bool-2":       "want 0 or 1",
	"kv-arr-nested-1": "no arrays of arrays",
	"kv-align-1":      "a power of two from 8",
	"kv-1m-keys":      "",
	"ti-name-empty":   "name length got 0",
	"ti-name-path":    "",
	"ti-name-nul":     "without control characters",
	"ti-off-gap":      "",
	"data-tail-junk":  "",
	"data-tail-zip":   "",
}

// TestFixturesHostile opens the whole corpus, from both bases. Cases of the container stage must be answered as the manifest
// says; those of later stages (models, tokenizers, templates, forward pass) must open or be refused in bounds,
// and where they open give all tensors and values.
func TestFixturesHostile(t *testing.T) {
	for _, base := range hostile.Bases {
		t.Run(base, func(t *testing.T) {
			for _, c := range hostile.Make(t, base) {
				t.Run(c.Name, func(t *testing.T) {
					err := hostile.Run(t, c, openAndTouch)
					hostile.Judge(t, c, err, c.Stage == "container")
					var bad *gguf.Error
					if err != nil && (!errors.As(err, &bad) || bad.File != c.Path() || bad.Field == "" || bad.Got == "" || bad.Want == "") {
						t.Errorf("error does not name file, field, got and want: %v", err)
					}
					if err != nil && (len(err.Error()) > 1500 || strings.ContainsAny(err.Error(), "\n\x1b")) {
						t.Errorf("error is long or carries control characters: %q", err)
					}
					if c.Expect != "either" || c.Stage != "container" || c.Area == "noise" {
						return
					}
					want, listed := chosen[c.Name]
					switch {
					case !listed:
						t.Errorf("no answer is written down for this case; got %v", err)
					case want == "" && err != nil:
						t.Errorf("refused: %v; the answer written down is to load", err)
					case want != "" && (err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), ":", ""), want)):
						t.Errorf("got %v, the answer written down is %q", err, want)
					}
				})
			}
		})
	}
}

// TestFixturesHostileWeights finds the NaN and Inf weights of the corpus by a full scan.
func TestFixturesHostileWeights(t *testing.T) {
	where := map[string]string{
		"data-nan-embd":     `tensor "token_embd.weight": got NaN in row 0, column 0`,
		"data-inf-norm":     `tensor "output_norm.weight": got +Inf in row 0, column 0`,
		"data-snan":         `tensor "token_embd.weight": got NaN in row 0, column 0`,
		"data-q8-nan-scale": `tensor "blk.0.ffn_up.weight": got NaN in row 0, column 0`,
		"data-q8-inf-scale": `tensor "blk.0.ffn_up.weight": got +Inf in row 0, column 0`,
		"ok-base":           "", "data-huge-w": "", "data-denormal": "", "data-zero": "",
	}
	for _, c := range hostile.Make(t, hostile.Bases[0], slices.Collect(maps.Keys(where))...) {
		want := where[c.Name]
		err := hostile.Run(t, c, func(path string) error {
			f, err := gguf.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			for i := range f.Tensors {
				tensor := &f.Tensors[i]
				if format, _ := quant.ByType(tensor.Type); !format.CanUnpack() {
					t.Fatalf("%s cannot be decoded", format.Name)
				}
				if err := tensor.CheckFinite(); err != nil {
					return err
				}
			}
			return nil
		})
		if got := errorText(err); !strings.Contains(got, want) || (want == "") != (err == nil) {
			t.Errorf("%s: got %q, want %q", c.Name, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// openAndTouch opens a file, reads each value and the ends of each tensor.
func openAndTouch(path string) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return touch(f)
}

func touch(f *gguf.File) error {
	for _, kv := range f.KV {
		_ = kv.Value.String()
		kv.Value.Strings()
		kv.Value.Ints()
		kv.Value.Floats()
		kv.Value.Bools()
		if _, ok := f.Get(kv.Key); !ok {
			return errors.New("key lost: " + kv.Key)
		}
	}
	sum := byte(0)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if found, ok := f.Tensor(t.Name); !ok || found != t {
			return errors.New("tensor lost: " + t.Name)
		}
		format, _ := quant.ByType(t.Type)
		row, err := format.RowBytes(t.Shape[0])
		if err != nil || row*t.Rows() != len(t.Data) || len(t.Data) == 0 {
			return errors.New("size of " + t.Name)
		}
		sum += t.Data[0] + t.Data[len(t.Data)-1]
	}
	_ = sum
	return nil
}
