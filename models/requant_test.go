package models

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// small is a model with a width of 64: two layers' worth of matrices, a norm, a bias-free head, an integer tensor.
func small(t *testing.T, poison float32) *gguf.File {
	t.Helper()
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Set("llama.block_count", uint32(1))
	w.Set("general.file_type", uint32(0))
	w.Set("freehold.kept", "as it is")
	f32, _ := quant.ByType(kernels.F32)
	add := func(name string, shape ...int) {
		n := 1
		for _, s := range shape {
			n *= s
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i%17)*0.25 - 2
		}
		if name == "blk.0.ffn_up.weight" && poison != 0 {
			v[64*3+5] = poison
		}
		b := make([]byte, 4*n)
		f32.Pack(b, v, nil, shape[0])
		w.AddTensor(name, kernels.F32, shape, b)
	}
	add("token_embd.weight", 64, 100)
	add("output.weight", 64, 100)
	add("output_norm.weight", 64)
	add("blk.0.attn_norm.weight", 64)
	add("blk.0.attn_v.weight", 64, 32)
	add("blk.0.ffn_up.weight", 64, 3000) // several pieces, the last not full
	w.AddTensor("freehold.ids", kernels.I32, []int{2}, make([]byte, 8))
	return encoded(t, w)
}

func encoded(t *testing.T, w *gguf.Writer) *gguf.File {
	t.Helper()
	var b bytes.Buffer
	if err := w.Encode(&b); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse("small.gguf", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mixOf(t *testing.T, name string) *quant.Mix {
	t.Helper()
	m, err := quant.MixByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func requantized(t *testing.T, f *gguf.File, mix string, o RequantizeOptions) (*gguf.File, []string) {
	t.Helper()
	w, notes, err := Requantize(f, mixOf(t, mix), o)
	if err != nil {
		t.Fatal(err)
	}
	return encoded(t, w), notes
}

// Every mix writes what its formats give for each tensor whole, whoever does the work.
func TestRequantize(t *testing.T) {
	src := small(t, 0)
	for _, m := range quant.Mixes() {
		t.Run(m.Name, func(t *testing.T) {
			got, _ := requantized(t, src, m.Name, RequantizeOptions{})
			backwards, _ := requantized(t, src, m.Name, RequantizeOptions{Parallel: func(n int, fn func(int)) {
				var all sync.WaitGroup
				for i := n - 1; i >= 0; i-- {
					all.Go(func() { fn(i) })
				}
				all.Wait()
			}})
			if v, _ := got.Uint("general.file_type"); v != uint64(m.FileType) {
				t.Errorf("general.file_type is %d, want %d", v, m.FileType)
			}
			if v, _ := got.Uint("general.quantization_version"); v != 2 {
				t.Errorf("general.quantization_version is %d", v)
			}
			if v, _ := got.String("freehold.kept"); v != "as it is" {
				t.Errorf("a key was lost: %q", v)
			}
			if len(got.Tensors) != len(src.Tensors) {
				t.Fatalf("%d tensors, want %d", len(got.Tensors), len(src.Tensors))
			}
			for i := range src.Tensors {
				from, to := &src.Tensors[i], &got.Tensors[i]
				if from.Name != to.Name || !slices.Equal(from.Shape, to.Shape) {
					t.Fatalf("tensor %d is %s %v, want %s %v", i, to.Name, to.Shape, from.Name, from.Shape)
				}
				if !bytes.Equal(to.Data, backwards.Tensors[i].Data) {
					t.Errorf("%s: the bytes depend on who does the work", from.Name)
				}
				if from.Type == kernels.I32 {
					if to.Type != kernels.I32 || !bytes.Equal(from.Data, to.Data) {
						t.Errorf("%s changed", from.Name)
					}
					continue
				}
				format, _ := quant.ByType(to.Type)
				v := make([]float32, from.Elements())
				if err := unpackF32(v, from); err != nil {
					t.Fatal(err)
				}
				want := make([]byte, len(to.Data))
				format.Pack(want, v, nil, from.Shape[0])
				if !bytes.Equal(to.Data, want) {
					t.Errorf("%s: not the bytes of %s", from.Name, format)
				}
			}
		})
	}
}

func TestRequantizeNotes(t *testing.T) {
	first, notes := requantized(t, small(t, 0), "q4_k_m", RequantizeOptions{})
	if len(notes) == 0 || !strings.Contains(notes[0], "width 64 is not a multiple of 256") {
		t.Errorf("fall-backs are not told: %q", notes)
	}
	again, notes := requantized(t, first, "q4_k_m", RequantizeOptions{})
	for i := range first.Tensors {
		if !bytes.Equal(first.Tensors[i].Data, again.Tensors[i].Data) {
			t.Errorf("%s has its format already, but was changed", first.Tensors[i].Name)
		}
	}
	if s := strings.Join(notes, "\n"); strings.Contains(s, "already") {
		t.Errorf("nothing was packed twice, but: %s", s)
	}
	if _, notes := requantized(t, first, "q4_0", RequantizeOptions{}); !strings.Contains(strings.Join(notes, "\n"), "already") {
		t.Errorf("packing twice is not told: %q", notes)
	}
}

// Four query heads on a key-value head: q2_k keeps more of attn_v. Head counts may differ by layer; the first tells.
func TestRequantizeHeads(t *testing.T) {
	for _, c := range []struct {
		heads, kv any
		want      kernels.Type
		fail      string
	}{
		{uint32(32), uint32(8), kernels.Q4_K, ""},
		{uint32(32), uint32(16), kernels.Q3_K, ""},
		{uint32(32), nil, kernels.Q3_K, ""},
		{nil, nil, kernels.Q3_K, ""},
		{[]int32{32, 8}, []int32{8, 8}, kernels.Q4_K, ""},
		{[]int32{}, nil, 0, "head_count is empty"},
		{"many", nil, 0, "head_count"},
		{int32(-4), nil, 0, "want 0 or more"},
	} {
		w := gguf.NewWriter()
		w.Set("general.architecture", "llama")
		w.Set("llama.block_count", uint32(1))
		if c.heads != nil {
			w.Set("llama.attention.head_count", c.heads)
		}
		if c.kv != nil {
			w.Set("llama.attention.head_count_kv", c.kv)
		}
		w.AddTensor("blk.0.attn_v.weight", kernels.F32, []int{256, 2}, make([]byte, 4*512))
		out, _, err := Requantize(encoded(t, w), mixOf(t, "q2_k"), RequantizeOptions{})
		if c.fail != "" {
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("heads %v, %v: error %v, want one with %q", c.heads, c.kv, err, c.fail)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := encoded(t, out).Tensors[0].Type; got != c.want {
			t.Errorf("heads %v, %v: %v, want %v", c.heads, c.kv, got, c.want)
		}
	}
}

// A bad weight, a full disk and a user who has had enough end the writing, and the old file stays.
func TestRequantizeFails(t *testing.T) {
	for _, poison := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		for _, mix := range []string{"f32", "q8_0"} { // copied and packed
			w, _, err := Requantize(small(t, poison), mixOf(t, mix), RequantizeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			err = w.Encode(&bytes.Buffer{})
			if !errors.Is(err, ErrWeights) || !strings.Contains(err.Error(), "row 3, column 5") || !strings.Contains(err.Error(), "ffn_up") {
				t.Errorf("%v to %s: %v", poison, mix, err)
			}
		}
	}
	enough := errors.New("enough")
	w, _, err := Requantize(small(t, 0), mixOf(t, "q8_0"), RequantizeOptions{Progress: func(done, total int64) error {
		if done > total/2 {
			return enough
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.gguf")
	if err := w.WriteTo(path); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	w, _, err = Requantize(small(t, 0), mixOf(t, "q8_0"), RequantizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteToFS(&fullDisk{left: 1000}, path); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if _, err := gguf.Open(path); err == nil {
		t.Error("a file appeared")
	}
	noLayers := gguf.NewWriter()
	noLayers.Set("general.architecture", "llama")
	noLayers.AddTensor("x.weight", kernels.F32, []int{1}, make([]byte, 4))
	if _, _, err := Requantize(encoded(t, noLayers), mixOf(t, "q8_0"), RequantizeOptions{}); err == nil || !strings.Contains(err.Error(), "block_count") {
		t.Errorf("got %v", err)
	}
}
