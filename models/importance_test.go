package models

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// used is an importance matrix for small: column i of a row is driven by i%5.
func used() *Importance {
	p := &Importance{Datasets: []string{"data.jsonl"}, Chunks: 2, ChunkSize: 9}
	x := make([]float32, 3*64)
	for i := range x {
		x[i] = float32(i % 64 % 5)
	}
	p.Add("blk.0.attn_v.weight", x, 64)
	p.Add("blk.0.ffn_up.weight", x[:64], 64)
	p.Add("blk.0.ffn_up.weight", x[64:], 64)
	return p
}

func TestImportanceRoundTrip(t *testing.T) {
	f := encoded(t, used().Writer())
	// Keys and tensors as llama-imatrix writes them.
	for key, want := range map[string]string{"general.type": `"imatrix"`, "imatrix.chunk_count": "2", "imatrix.chunk_size": "9"} {
		if v, ok := f.Get(key); !ok || v.String() != want {
			t.Errorf("%s is %v, want %s", key, v, want)
		}
	}
	if s, ok := f.Tensor("blk.0.attn_v.weight.in_sum2"); !ok || !slices.Equal(s.Shape, []int{64, 1}) || s.Type != kernels.F32 {
		t.Errorf("sums: %+v", s)
	}
	p, err := ReadImportance(f)
	if err != nil {
		t.Fatal(err)
	}
	if p.Len() != 2 || p.Chunks != 2 || p.ChunkSize != 9 || !slices.Equal(p.Datasets, []string{"data.jsonl"}) {
		t.Errorf("read %+v", p)
	}
	for _, name := range []string{"blk.0.attn_v.weight", "blk.0.ffn_up.weight"} {
		got, err := p.Columns(name, 64)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if want := float32(i % 5 * (i % 5)); v != want {
				t.Fatalf("%s column %d: %v, want the mean square %v", name, i, v, want)
			}
		}
	}
	if v, err := p.Columns("blk.0.ffn_gate.weight", 64); v != nil || err != nil {
		t.Errorf("of an unknown matrix: %v, %v", v, err)
	}
	if _, err := p.Columns("blk.0.ffn_up.weight", 32); !errors.Is(err, ErrImportance) || !strings.Contains(err.Error(), "64 columns, the tensor has 32") {
		t.Errorf("of another width: %v", err)
	}
}

func TestReadImportanceRefuses(t *testing.T) {
	f32, _ := quant.ByType(kernels.F32)
	for name, c := range map[string]struct {
		change func(w *gguf.Writer)
		want   string
	}{
		"a model":      {func(w *gguf.Writer) { w.Set("general.type", "model") }, `want "imatrix"`},
		"no tensors":   {func(*gguf.Writer) {}, "no tensor *.in_sum2"},
		"no count":     {sums(f32, "x.in_sum2", 4, 1, 1, 1, 1), `"x.counts" is missing`},
		"zero count":   {both(sums(f32, "x.in_sum2", 1, 1), sums(f32, "x.counts", 1, 0)), "want more than 0"},
		"negative":     {both(sums(f32, "x.in_sum2", 2, 1, -1), sums(f32, "x.counts", 1, 1)), "-1 in column 1"},
		"experts":      {both(sums(f32, "x.in_sum2", 1, 1, 1), sums(f32, "x.counts", 1, 1, 1)), "experts are not supported"},
		"stranger":     {sums(f32, "x.weight", 1, 1), "is none of"},
		"chunks large": {func(w *gguf.Writer) { w.Set("imatrix.chunk_count", uint64(1)<<40) }, "imatrix.chunk_count is 1099511627776"},
	} {
		w := gguf.NewWriter()
		w.Set("general.type", "imatrix")
		w.Set("imatrix.datasets", []string{"a"})
		w.Set("imatrix.chunk_count", uint32(1))
		w.Set("imatrix.chunk_size", uint32(1))
		c.change(w)
		if _, err := ReadImportance(encoded(t, w)); !errors.Is(err, ErrImportance) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := ReadImportance(small(t, 0)); err == nil || !strings.Contains(err.Error(), "general.type") {
		t.Errorf("a file without general.type: %v", err)
	}
}

func sums(f32 *quant.Format, name string, width int, v ...float32) func(w *gguf.Writer) {
	return func(w *gguf.Writer) {
		b := make([]byte, 4*len(v))
		f32.Pack(b, v, nil, len(v))
		w.AddTensor(name, kernels.F32, []int{width, len(v) / width}, b)
	}
}

func both(a, b func(*gguf.Writer)) func(*gguf.Writer) {
	return func(w *gguf.Writer) { a(w); b(w) }
}

// Matrices with importances are packed by them, others are not, and the first eighth's rules know of it.
func TestRequantizeImportance(t *testing.T) {
	src, p := small(t, 0), used()
	got, _ := requantized(t, src, "q5_1", RequantizeOptions{Importance: p})
	plain, _ := requantized(t, src, "q5_1", RequantizeOptions{})
	for i := range src.Tensors {
		from, to := &src.Tensors[i], &got.Tensors[i]
		if from.Type == kernels.I32 {
			continue
		}
		format, _ := quant.ByType(to.Type)
		v, want := make([]float32, from.Elements()), make([]byte, len(to.Data))
		if err := unpackF32(v, from); err != nil {
			t.Fatal(err)
		}
		weights, err := p.Columns(from.Name, from.Shape[0])
		if err != nil {
			t.Fatal(err)
		}
		format.Pack(want, v, weights, from.Shape[0])
		if !bytes.Equal(to.Data, want) {
			t.Errorf("%s is not packed by its importances", from.Name)
		}
		if differ := !bytes.Equal(to.Data, plain.Tensors[i].Data); differ != (weights != nil) {
			t.Errorf("%s: importances %v, bytes differ %v", from.Name, weights != nil, differ)
		}
	}
	if v, _ := got.Uint("quantize.imatrix.entries_count"); v != 2 {
		t.Errorf("quantize.imatrix.entries_count is %d", v)
	}
	other := &Importance{}
	other.Add("blk.7.ffn_up.weight", make([]float32, 64), 64)
	if _, _, err := Requantize(src, mixOf(t, "q5_1"), RequantizeOptions{Importance: other}); !errors.Is(err, ErrImportance) || !strings.Contains(err.Error(), "another model") {
		t.Errorf("of another model: %v", err)
	}
	wide := &Importance{}
	wide.Add("blk.0.ffn_up.weight", make([]float32, 32), 32)
	if _, _, err := Requantize(src, mixOf(t, "q5_1"), RequantizeOptions{Importance: wide}); !errors.Is(err, ErrImportance) {
		t.Errorf("of another width: %v", err)
	}
}

func TestRequantizeOverrides(t *testing.T) {
	parse := func(texts ...string) (all []Override) {
		for _, s := range texts {
			o, err := ParseOverride(s)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
		}
		return all
	}
	got, notes := requantized(t, small(t, 0), "q4_0", RequantizeOptions{Overrides: parse(`ffn_(up|down)=q8_0`, `blk\.0\.=F16`, `^output\.=q4_k`)})
	for name, want := range map[string]kernels.Type{
		"blk.0.ffn_up.weight": kernels.Q8_0, "blk.0.attn_v.weight": kernels.F16, "blk.0.attn_norm.weight": kernels.F32,
		"output.weight": kernels.Q5_0, "token_embd.weight": kernels.Q4_0,
	} {
		if x, _ := got.Tensor(name); x.Type != want {
			t.Errorf("%s is %v, want %v", name, x.Type, want)
		}
	}
	if s := strings.Join(notes, "\n"); !strings.Contains(s, "output.weight: width 64 is not a multiple of 256, which Q4_K needs; stored as Q5_0") {
		t.Errorf("notes: %q", notes)
	}
	for _, pattern := range []string{"ffn_gate=q8_0", "attn_norm=f16", "freehold.ids=q8_0"} { // nothing, a vector, integers
		_, _, err := Requantize(small(t, 0), mixOf(t, "q4_0"), RequantizeOptions{Overrides: parse(pattern)})
		if name, _, _ := strings.Cut(pattern, "="); err == nil || !strings.Contains(err.Error(), `"`+name+`"`) {
			t.Errorf("%s: %v, want an error that names it", pattern, err)
		}
	}
	for _, text := range []string{"ffn_up", "=q8_0", "ffn_up=", "ffn_up=q9", "(=q8_0", "ffn_up=i8", "ffn_up=iq2_xxs", "ffn_up=f64"} {
		if _, err := ParseOverride(text); err == nil || !strings.Contains(err.Error(), gguf.Quote(text)) {
			t.Errorf("%q: %v, want an error that names it", text, err)
		}
	}
}
