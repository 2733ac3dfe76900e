package models

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
	"github.com/freehold-slm/freehold/quant"
)

// fuzzTexts are what a changed string holds: names that some key knows, and others.
var fuzzTexts = []string{"", "llama", "gemma3", "qwen2moe", "deepseek2", "gpt-oss", "phi3", "linear", "yarn", "longrope", "none", "gpt2", "t5", "bert", "qwen2", "\x00", "x"}

// fuzzValue makes a metadata value of a kind from 64 bits.
func fuzzValue(kind uint8, bits uint64) gguf.Value {
	small := []int32{int32(bits), int32(bits >> 16), int32(bits >> 32)}[:(bits>>48)%4]
	w := gguf.NewWriter()
	w.Set("k", []any{uint32(bits), int32(bits), math.Float32frombits(uint32(bits)), bits&1 == 1, fuzzTexts[bits%uint64(len(fuzzTexts))], bits, int64(bits),
		math.Float64frombits(bits), small, []float32{math.Float32frombits(uint32(bits)), math.Float32frombits(uint32(bits >> 32))},
		[]string{fuzzTexts[(bits>>8)%uint64(len(fuzzTexts))]}, uint8(bits)}[kind%12])
	return w.Metadata()[0].Value
}

// FuzzSpec: a model file with two of its values changed, or with a smaller tensor, is refused with an error or gives a Spec whose program can
// be written down, and a vocabulary that is refused or works. A vocabulary that is the file's own is not built again each time.
func FuzzSpec(f *testing.F) {
	paths, _ := filepath.Glob(filepath.Join(fixtures(f), "models", "*.F32.gguf"))
	if len(paths) == 0 {
		f.Fatal("no model fixtures")
	}
	var files []*gguf.File
	for i, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		file, err := gguf.Parse(filepath.Base(path), b)
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, file)
		for key := range file.KV {
			f.Add(uint8(i), uint16(2*key), uint16(2*len(file.KV)), uint8(key), uint8(0), uint64(key)<<33|uint64(key), uint64(0))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, a, b uint16, kindA, kindB uint8, x, y uint64) {
		c := *files[int(which)%len(files)]
		c.KV, c.Tensors = slices.Clone(c.KV), slices.Clone(c.Tensors)
		words := change(&c, a, kindA, x)
		words = change(&c, b, kindB, y) || words
		spec, err := NewSpec(&c)
		if err != nil {
			mustName(t, err)
		} else {
			for i, width := range spec.Program().Width {
				if width < 1 || width > 1<<24 {
					t.Fatalf("value %d of the program has width %d: %+v", i, width, spec)
				}
			}
		}
		if !words {
			return
		}
		v, err := Vocabulary(&c)
		if err != nil {
			mustName(t, err)
			return
		}
		tok, err := token.New(v)
		if err != nil {
			return
		}
		ids := tok.Encode(nil, "a b<s>\xff 12", token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
		tok.Decode(nil, ids, token.DecodeOptions{})
	})
}

// change gives a key another value, or a tensor fewer rows. It tells whether the key is one of the tokenizer's.
func change(f *gguf.File, which uint16, kind uint8, bits uint64) bool {
	i := int(which / 2)
	if which%2 == 0 {
		if i >= len(f.KV) {
			return false
		}
		f.KV[i].Value = fuzzValue(kind, bits)
		return strings.HasPrefix(f.KV[i].Key, "tokenizer.")
	}
	x := &f.Tensors[i%len(f.Tensors)]
	format, _ := quant.ByType(x.Type)
	dim := int(kind) % len(x.Shape)
	shape := slices.Clone(x.Shape)
	shape[dim] = 1 + int(bits%uint64(shape[dim]))
	row, err := format.RowBytes(shape[0])
	if err != nil {
		return false
	}
	x.Shape = shape
	x.Data = x.Data[:row*x.Rows()]
	return false
}

// mustName fails the test when an error names no file, is very long or could drive a terminal.
func mustName(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	var bad *gguf.Error
	if len(text) > 2000 || errors.As(err, &bad) && (bad.File == "" || bad.Field == "" || bad.Got == "" || bad.Want == "") {
		t.Fatalf("error %#v: %s", err, text)
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			t.Fatalf("control characters in error %q", text)
		}
	}
}
