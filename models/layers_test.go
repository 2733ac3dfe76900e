package models

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// withKeys reads the Spec of a fixture model of which some keys are set anew, nil = left out.
func withKeys(t *testing.T, name string, keys map[string]any) (*Spec, error) {
	t.Helper()
	return edited(t, name, keys, func(name string) []string { return []string{name} })
}

// edited is withKeys of a model whose tensors are written under other names, each under all that names gives it.
func edited(t *testing.T, name string, keys map[string]any, names func(string) []string) (*Spec, error) {
	t.Helper()
	f, err := gguf.Open(fixture(t, name+".gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		if _, anew := keys[kv.Key]; !anew {
			w.Set(kv.Key, kv.Value)
		}
	}
	for k, v := range keys {
		if v != nil {
			w.Set(k, v)
		}
	}
	for i := range f.Tensors {
		x := &f.Tensors[i]
		for _, n := range names(x.Name) {
			w.AddTensor(n, x.Type, x.Shape, x.Data)
		}
	}
	path := filepath.Join(t.TempDir(), "edited.gguf")
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	out, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	return NewSpec(out)
}

func windowed(s *Spec) (list []int) {
	for l := range s.Layers {
		if s.Windowed(l) {
			list = append(list, l)
		}
	}
	return list
}

// Which layers have a window: by architecture, by a period in the file, by a list in the file.
func TestFixturesWindows(t *testing.T) {
	const key = ".attention.sliding_window_pattern"
	for _, c := range []struct {
		name string
		keys map[string]any
		want []int
	}{
		{"gemma3.F32", nil, []int{0, 1, 2, 3, 4, 6}},
		{"gemma3.F32", map[string]any{"gemma3" + key: uint32(3)}, []int{0, 1, 3, 4, 6}},
		{"gemma3.F32", map[string]any{"gemma3" + key: uint32(0)}, []int{0, 1, 2, 3, 4, 5, 6}},
		{"gemma3.F32", map[string]any{"gemma3" + key: uint32(1)}, nil},
		{"gemma3.F32", map[string]any{"gemma3" + key: []bool{true, false, true, false, true, false, true}}, []int{0, 2, 4, 6}},
		{"gemma3.F32", map[string]any{"gemma3.attention.sliding_window": nil}, nil},
		{"gemma2.F32", nil, []int{0, 2}},
		{"olmo2.F32", map[string]any{"olmo2.attention.sliding_window": uint32(9)}, []int{0, 1, 2}},
		{"phi3-plain.F32", map[string]any{"phi3.attention.sliding_window": uint32(9)}, nil},
	} {
		s, err := withKeys(t, c.name, c.keys)
		if err != nil {
			t.Fatal(err)
		}
		if got := windowed(s); !slices.Equal(got, c.want) {
			t.Errorf("%s with %v: layers with a window are %v, want %v", c.name, c.keys, got, c.want)
		}
	}
	for _, bad := range []map[string]any{
		{"gemma3" + key: []bool{false, true, true, true, true, true, true}},
		{"gemma3" + key: []bool{true}},
		{"gemma3.final_logit_softcapping": float32(-1)},
		{"gemma3.attention.layer_norm_rms_epsilon": nil},
	} {
		if s, err := withKeys(t, "gemma3.F32", bad); err == nil {
			t.Errorf("%v is accepted: %+v", bad, s)
		}
	}
}

// Layers with a window have a rotary embedding of their own, whose base the file may state.
func TestFixturesRopeOfWindows(t *testing.T) {
	s, err := withKeys(t, "gemma3.F32", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := s.Program()
	if far, near := p.Rope(5), p.Rope(0); far.Base != 1e6 || far.Factor != 8 || near.Base != 1e4 || near.Factor != 1 || near.Dims != far.Dims {
		t.Errorf("rotary embedding is %+v without and %+v with a window", far, near)
	}
	if s, err = withKeys(t, "gemma3.F32", map[string]any{"gemma3.rope.freq_base_swa": float32(500)}); err != nil || s.WindowRope.Base != 500 {
		t.Errorf("rope.freq_base_swa gives %+v (%v)", s.WindowRope, err)
	}
}

// A student's layers keep their windows and rotary embedding, or are refused.
func TestKeepLayers(t *testing.T) {
	gemma := &Spec{Arch: "gemma3", Layers: 18, Window: 512, WindowPeriod: 6}
	smol := &Spec{Arch: "smollm3", Layers: 36, NoRope: 4, Rope: Rope{Dims: 8}}
	plain := &Spec{Arch: "llama", Layers: 9}
	lead := &Spec{Arch: "deepseek2", Layers: 5, Experts: 8, DenseLead: 2}
	mixed := &Spec{Arch: "lfm2", Layers: 4, Mixer: ShortConv, Attention: []bool{false, false, true, false}}
	for _, c := range []struct {
		s      *Spec
		layers []int
		fine   bool
	}{
		{gemma, []int{0, 1, 2, 3, 4, 5}, true},
		{gemma, []int{0, 5, 6, 11, 12, 17}, true}, // every other one without
		{gemma, []int{0, 1, 2}, true},
		{gemma, []int{5, 11, 17}, true},
		{gemma, []int{5, 6}, false},
		{gemma, []int{0, 5, 11}, false},
		{smol, []int{0, 1, 2, 3, 32}, true},
		{smol, []int{0, 1, 2, 7, 8}, true},
		{smol, []int{0, 3}, false},
		{plain, []int{0, 8}, true},
		{lead, []int{0, 1, 4}, true},
		{lead, []int{1, 2}, true},
		{lead, []int{2, 4}, true},
		{lead, []int{0, 1}, true},
		{mixed, []int{0, 2, 3}, true},
		{mixed, []int{2}, true},
	} {
		small, err := c.s.Keep(c.layers)
		if (err == nil) != c.fine {
			t.Errorf("%s, layers %v: %v", c.s.Arch, c.layers, err)
			continue
		}
		if err != nil {
			if !strings.Contains(err.Error(), "layers") {
				t.Errorf("the error names no layers: %v", err)
			}
			continue
		}
		for i, l := range c.layers {
			if small.Windowed(i) != c.s.Windowed(l) || small.Rotates(i) != c.s.Rotates(l) || small.Sparse(i) != c.s.Sparse(l) || small.Attends(i) != c.s.Attends(l) {
				t.Errorf("%s, layers %v: layer %d is not what %d was", c.s.Arch, c.layers, i, l)
			}
		}
	}
}

// Longrope takes the long divisors for sessions beyond the original context, the short ones up to it.
func TestLongRope(t *testing.T) {
	r := Rope{Dims: 4, Base: 100, Scaling: "longrope", Factor: 1, AttnFactor: 1.5, OrigContext: 64, Long: []float32{2, 4}, Short: []float32{1, 8}}
	for context, want := range map[int][]float64{64: {1, 0.1 / 8}, 65: {0.5, 0.1 / 4}} {
		freqs, scale := r.Freqs(context)
		for i, w := range want {
			if d := freqs[i]/w - 1; d > 1e-12 || d < -1e-12 || scale != 1.5 {
				t.Errorf("context %d: frequencies %v, want %v; factor %v", context, freqs, want, scale)
			}
		}
	}
}
