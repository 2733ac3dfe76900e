package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// A q8_0 page holds what docs/arithmetic.md says, at every position, on every level: compared with a second account of it,
// and each number with itself.
func TestFixturesStoreQ8(t *testing.T) {
	for _, l := range kernels.Levels() {
		t.Run(l.Name, func(t *testing.T) {
			m := small(t, "llama256.Q4_1", WithKV(KVQ8_0), WithLevel(l))
			r := rand.New(rand.NewPCG(1, 2))
			hd, n := m.Spec.HeadDim, m.Spec.KVHeads*m.Spec.HeadDim
			p, w := m.newPage(), &m.runner.scratch[0]
			layer := m.Spec.Layers - 1
			rows := make([][2][]float32, kernels.PageKeys)
			for j := range rows {
				for i := range rows[j] {
					x := make([]float32, n)
					scale := math.Exp2(float64(r.IntN(60) - 40))
					for d := range x {
						x[d] = float32(r.NormFloat64() * scale)
					}
					clear(x[:32*(j%2)]) // blocks of zeros
					rows[j][i] = x
				}
				if !m.store(p, layer, 3*kernels.PageKeys+j, rows[j][0], rows[j][1], w) {
					t.Fatalf("position %d was refused", j)
				}
			}
			for h := range m.Spec.KVHeads {
				kd, vd, k8, v8 := kernels.Q8Head(p.q8[m.offset(layer, h):], hd)
				for j, row := range rows {
					for d := range hd {
						b := d/32*kernels.PageKeys + j
						check8(t, row[0][h*hd:h*hd+hd], d, k8[kernels.Q8Key(hd, j, d)], kd[b])
						check8(t, row[1][h*hd:h*hd+hd], d, v8[kernels.Q8Value(hd, j, d)], vd[b])
					}
				}
			}
		})
	}
}

// check8 holds code and scale of element d of x against the definition.
func check8(t *testing.T, x []float32, d int, code int8, scale uint16) {
	t.Helper()
	amax := 0.0
	for _, v := range x[d/32*32:][:32] {
		amax = max(amax, math.Abs(float64(v)))
	}
	want, step := 0.0, float32(amax)/127
	if amax > 0 {
		want = math.RoundToEven(float64(x[d] * (127 / float32(amax))))
	}
	if float64(code) != want || scale != kernels.F32ToF16(step) {
		t.Fatalf("element %d, %v of at most %v, is %d times %04x, want %v times %04x", d, x[d], amax, code, scale, want, kernels.F32ToF16(step))
	}
	// Half a step, what the scale's rounding moves 127 steps by, and as much where the scale is subnormal.
	got := float64(code) * float64(kernels.F16ToF32(scale))
	if diff := math.Abs(got - float64(x[d])); diff > float64(step)*(0.5+127*0x1p-11)*1.001+127*0x1p-25 {
		t.Fatalf("element %d is %v, want %v (at most %v)", d, got, x[d], amax)
	}
}

// With a narrower KV cache the logits are those of f32 but for its rounding.
func TestFixturesKVTypes(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(fixtures(t), "models", "*.F[13][26].gguf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no models: %v", err)
	}
	tested := 0
	for _, path := range paths {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if decodable(f) != "" || !slices.Contains(kvTypes(t, f), KVQ8_0) || !keeps(t, f) {
			continue
		}
		tested++
		var ref tinyref
		readJSON(t, strings.TrimSuffix(path, ".gguf")+".json", &ref)
		var want []vectors
		for _, row := range at(t, newModel(t, f, WithKV(KVF32)), &ref) {
			want = append(want, row)
		}
		m := newModel(t, f)
		judge := compare
		if m.Spec.Experts > 0 {
			judge = medians // q8_0 moves a near-tie of a router as well
		}
		half := judge(want, at(t, m, &ref))
		q8 := judge(want, at(t, newModel(t, f, WithKV(KVQ8_0)), &ref))
		name := filepath.Base(path)
		t.Logf("%-28s rms %.2g (f16 %.2g), mean KL %.2g (f16 %.2g)", name, q8.RMS, half.RMS, q8.MeanKL, half.MeanKL)
		// A step is about 1/55 of a block's rms, so rounding to it moves numbers some 35 times as far as rounding to f16.
		if half.RMS == 0 || half.MeanKL > 1e-4 || q8.RMS <= half.RMS || q8.RMS > 100*half.RMS {
			t.Errorf("%s: differs from f32 KV by rms %g with q8_0, %g with f16", name, q8.RMS, half.RMS)
		}
	}
	if tested == 0 {
		t.Error("no model has heads of a multiple of 32")
	}
}

// A fork in the middle of a page copies what it holds when it writes, in every type of cache.
func TestFixturesForkCopies(t *testing.T) {
	ctx := context.Background()
	for _, kv := range []KV{KVF16, KVF32, KVQ8_0} {
		m := small(t, "llama256.Q4_1", WithKV(kv))
		tokens := make([]int32, 90)
		for i := range tokens {
			tokens[i] = int32((i*i*31 + 7*i) % m.Spec.Vocab)
		}
		want := evalFresh(t, m, tokens)
		base := m.NewSession()
		if err := m.EvalBatch(ctx, []Seq{{base, tokens[:77], WantNone}}); err != nil {
			t.Fatal(err)
		}
		fork := base.Fork()
		other := append(append([]int32(nil), tokens[:77]...), 1, 2, 3)
		if _, err := fork.Eval(ctx, other); err != nil { // base still holds the page
			t.Fatal(err)
		}
		if base.pages[0] == fork.pages[0] {
			t.Fatalf("%v: a shared page was written to", kv)
		}
		fork.Truncate(77)
		for name, s := range map[string]*Session{"fork": fork, "base": base} {
			got, err := s.Eval(ctx, tokens)
			if err != nil {
				t.Fatal(err)
			}
			if at := sameBits(got, want); at >= 0 {
				t.Errorf("%v, %s: logit %d is %v, want %v", kv, name, at, got[at], want[at])
			}
		}
	}
}

// keeps tells whether a model has keys and values to keep: some layer attends.
func keeps(t *testing.T, f *gguf.File) bool {
	t.Helper()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	for l := range spec.Layers {
		if spec.Attends(l) {
			return true
		}
	}
	return false
}
