package hf

import (
	"fmt"
	"slices"
	"testing"
)

// counted is a source whose values are their places.
type counted []float32

func (c counted) read(dst []float32, at int) error {
	copy(dst, c[at:at+len(dst)])
	return nil
}

// Values go where the layouts say, in whatever pieces, and come back: rows of small tensors written out by hand.
func TestLayouts(t *testing.T) {
	sizes := map[string]int{"g": 2, "q": 2, "k": 1, "v": 1, "c": 1, "e": 3, "t": 2, "j": 2, "a": 1, "b": 1, "x": 2, "y": 2, "n": 1, "o": 2, "p": 3, "h": 2, "d": 1, "s": 2}
	for _, c := range []struct {
		theirs, ours string
		want         []float32
	}{
		{"g (q + k + v) c", "g q c + g k c + g v c", []float32{0, 1, 4, 5, 2, 6, 3, 7}},
		{"e, h", "h, e", []float32{0, 2, 4, 1, 3, 5}},
		{"t j", "j t", []float32{0, 2, 1, 3}},
		{"x, e, y", "x, y, e", []float32{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}},
		{"e, g q c + g k c + g v c", "g q c + g k c + g v c, e", []float32{0, 8, 16, 1, 9, 17, 2, 10, 18, 3, 11, 19, 4, 12, 20, 5, 13, 21, 6, 14, 22, 7, 15, 23}},
		{"d, 1, e", "d, e", []float32{0, 1, 2}},
	} {
		for budget := range 30 {
			there := moved(t, sizes, c.theirs, c.ours, nil, budget+1)
			if !slices.Equal(there, c.want) {
				t.Fatalf("%q to %q in pieces of %d is %v, want %v", c.theirs, c.ours, budget+1, there, c.want)
			}
			back := moved(t, sizes, c.ours, c.theirs, there, budget+1)
			for i, v := range back {
				if v != float32(i) {
					t.Fatalf("%q and back in pieces of %d is %v", c.theirs, budget+1, back)
				}
			}
		}
	}
}

// moved moves values, or their places where there are none, from one layout to another.
func moved(t *testing.T, sizes map[string]int, from, to string, values []float32, budget int) []float32 {
	t.Helper()
	src, dst := slot{layout: parseLayout(from, sizes)}, slot{layout: parseLayout(to, sizes)}
	if values == nil {
		for i := range src.elements() {
			values = append(values, float32(i))
		}
	}
	var out []float32
	err := cut(placesOf([]slot{src}, []source{counted(values)}).into(&dst), dst.elements(), budget, func(n int, flows []flow) error {
		if n > budget {
			return fmt.Errorf("a piece of %d values", n)
		}
		x := make([]float32, n)
		for i := range flows {
			if err := flows[i].gather(x); err != nil {
				return err
			}
		}
		out = append(out, x...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// One tensor becomes two and is joined again: DeepSeek's keys and values of a latent state.
func TestLayoutsSplit(t *testing.T) {
	f, d := families["DeepseekV2ForCausalLM"], dims{axes: map[string]int{"h": 2, "n": 1, "o": 2, "p": 3}}
	r := f.rule(d, "", "self_attn.kv_b_proj.weight", "", "attn_k_b.weight attn_v_b.weight", true)
	whole := make(counted, r.theirs[0].elements())
	for i := range whole {
		whole[i] = float32(i)
	}
	take := func(from []slot, sources []source, to *slot) []float32 {
		x := make([]float32, to.elements())
		for _, f := range placesOf(from, sources).into(to) {
			if err := f.gather(x); err != nil {
				t.Fatal(err)
			}
		}
		return x
	}
	keys, values := take(r.theirs, []source{whole}, &r.ours[0]), take(r.theirs, []source{whole}, &r.ours[1])
	if want := []float32{0, 1, 2, 9, 10, 11}; !slices.Equal(keys, want) { // [head, rank, 1]
		t.Errorf("keys are %v, want %v", keys, want)
	}
	if want := []float32{3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17}; !slices.Equal(values, want) { // [head, 2, rank]
		t.Errorf("values are %v, want %v", values, want)
	}
	if back := take(r.ours, []source{counted(keys), counted(values)}, &r.theirs[0]); !slices.Equal(back, whole) {
		t.Errorf("joined again they are %v", back)
	}
}
