package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

func TestLookup(t *testing.T) {
	for _, f := range Formats() {
		g, err := ByName(strings.ToLower(f.Name))
		if err != nil || g != f {
			t.Errorf("ByName(%s) = %v, %v", strings.ToLower(f.Name), g, err)
		}
		if g, ok := ByType(f.Type); !ok || g != f {
			t.Errorf("ByType(%d) = %v, %v", f.Type, g, ok)
		}
	}
	if len(Formats()) != 35 {
		t.Errorf("%d formats, want the 35 of ggml", len(Formats()))
	}
	if _, err := ByName("Q7_0"); err == nil || !strings.Contains(err.Error(), "Q4_K") {
		t.Errorf("unknown name: error %v, want the known ones", err)
	}
	for _, id := range []kernels.Type{4, 5, 31, 43, 64, math.MaxUint32} {
		if f, ok := ByType(id); ok {
			t.Errorf("ByType(%d) = %v, want none", id, f)
		}
	}
}

func TestRowBytes(t *testing.T) {
	for _, c := range []struct {
		name        string
		width, want int
	}{
		{"F32", 3, 12}, {"F16", 0, 0}, {"Q8_0", 64, 68}, {"Q4_K", 512, 288}, {"Q6_K", 256, 210},
		{"Q4_K", 576, -1}, {"Q8_0", 33, -1}, {"Q8_0", -32, -1}, {"F32", math.MaxInt, -1},
		{"Q8_0", math.MaxInt &^ 31, -1}, {"Q4_0", math.MaxInt &^ 31, (math.MaxInt &^ 31) / 32 * 18},
	} {
		f, _ := ByName(c.name)
		got, err := f.RowBytes(c.width)
		if c.want < 0 {
			if err == nil || !strings.Contains(err.Error(), c.name) {
				t.Errorf("%s.RowBytes(%d) = %d, %v; want an error with the name", c.name, c.width, got, err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%s.RowBytes(%d) = %d, %v; want %d", c.name, c.width, got, err, c.want)
		}
	}
}

// normals gives n values around 0 with deviation 1.
func normals(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func roundTrip(f *Format, x, importance []float32, width int) ([]byte, []float32) {
	packed := make([]byte, len(x)/f.Block*f.Bytes)
	f.Pack(packed, x, importance, width)
	y := make([]float32, len(x))
	f.Unpack(y, packed)
	return packed, y
}

// rms of the difference, each column weighted by importance (nil = 1).
func rmse(x, y, importance []float32) float64 {
	var sum, sumW float64
	for i := range x {
		w := 1.0
		if importance != nil {
			w = float64(importance[i%len(importance)])
		}
		d := float64(x[i]) - float64(y[i])
		sum += w * d * d
		sumW += w
	}
	return math.Sqrt(sum / sumW)
}

// budgets are the root mean square errors allowed on standard normal values
// (measured, rounded up by a few percent).
var budgets = map[string]float64{
	"F64": 0, "F32": 0, "F16": 2.15e-4, "BF16": 1.7e-3,
	"Q8_0": 0.0055, "Q5_0": 0.0435, "Q5_1": 0.0385, "Q4_0": 0.0875, "Q4_1": 0.0795,
	"Q6_K": 0.0181, "Q5_K": 0.0367, "Q4_K": 0.0727, "Q3_K": 0.154, "Q2_K": 0.303,
	"IQ4_NL": 0.0777, "IQ4_XS": 0.0783, "MXFP4": 0.118, "NVFP4": 0.0973,
	"TQ1_0": 0.830, "TQ2_0": 0.830, "Q1_0": 0.615, "Q2_0": 0.735,
}

func TestErrorBudget(t *testing.T) {
	const width = 2048
	x := normals(7, 16*width)
	for _, f := range Formats() {
		if !f.CanPack() || !f.CanUnpack() {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			budget, ok := budgets[f.Name]
			if !ok {
				t.Fatalf("no budget for %s", f)
			}
			packed, y := roundTrip(f, x, nil, width)
			e := rmse(x, y, nil)
			t.Logf("rmse %.5f, %.3f bits a value", e, f.BitsPerValue())
			if e > budget {
				t.Errorf("rmse %.6f, budget %.6f", e, budget)
			}
			// A budget far above the measured error would hide a loss.
			if e < 0.9*budget {
				t.Errorf("rmse %.6f is far below the budget %.6f: lower it", e, budget)
			}

			// The scale is part of the format: times a power of two gives the
			// same codes and values times it.
			for _, scale := range []float32{1.0 / 64, 16} {
				xs := make([]float32, len(x))
				for i, v := range x {
					xs[i] = scale * v
				}
				_, ys := roundTrip(f, xs, nil, width)
				if f.Type == kernels.NVFP4 && scale < 1 {
					continue // its E4M3 scales have no small values
				}
				if es := rmse(xs, ys, nil) / float64(scale); math.Abs(es-e) > 0.02*e+1e-9 {
					t.Errorf("scaled by %v: rmse %.6f of the scale, want %.6f", scale, es, e)
				}
			}

			// Rows are independent: packing them one at a time gives the same.
			for r := range 3 {
				one, _ := roundTrip(f, x[r*width:][:width], nil, width)
				rowBytes, _ := f.RowBytes(width)
				if !bytes.Equal(one, packed[r*rowBytes:][:rowBytes]) {
					t.Fatalf("row %d alone packs to other bytes", r)
				}
			}

			// Decoding must see only its own blocks.
			first := make([]float32, f.Block)
			f.Unpack(first, packed[:f.Bytes])
			for i, v := range first {
				if v != y[i] {
					t.Fatalf("value %d of the first block alone is %v, among others %v", i, v, y[i])
				}
			}
		})
	}
}

// Importance must lower the error where it says errors matter.
func TestImportance(t *testing.T) {
	const width = 1024
	x := normals(11, 8*width)
	importance := make([]float32, width)
	for i := range importance {
		importance[i] = 0.01
		if i%5 == 0 {
			importance[i] = 10
		}
	}
	for _, name := range []string{"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"} {
		f, _ := ByName(name)
		_, plain := roundTrip(f, x, nil, width)
		_, guided := roundTrip(f, x, importance, width)
		ep, eg := rmse(x, plain, importance), rmse(x, guided, importance)
		t.Logf("%s: weighted rmse %.5f, with importance %.5f", name, ep, eg)
		if eg > 0.97*ep {
			t.Errorf("%s: weighted rmse %.6f with importance, %.6f without: want 3%% less", name, eg, ep)
		}
	}
}

// Zeros stay zeros and constants stay near, with and without importance.
func TestPackEdges(t *testing.T) {
	ones := make([]float32, 256)
	for i := range ones {
		ones[i] = 1
	}
	for _, f := range Formats() {
		if !f.CanPack() || !f.CanUnpack() {
			continue
		}
		for _, importance := range [][]float32{nil, ones, make([]float32, 256)} {
			tolerance := float32(0.07)
			if f.Type == kernels.MXFP4 {
				tolerance = 0.25 // powers of two as scales: 1000 is stored as 768
			}
			for _, c := range []float32{0, 1, -1, 1e-3, 1000, float32(math.SmallestNonzeroFloat32), -1e-38, 1e-20} {
				if f.Type == kernels.NVFP4 && abs(c) < 0.1 {
					continue // its scales are E4M3
				}
				x := make([]float32, 256)
				for i := range x {
					x[i] = c
				}
				_, y := roundTrip(f, x, importance, 256)
				for i, v := range y {
					// All zero importances tell nothing: only demand finite values.
					silent := importance != nil && importance[0] == 0
					if d := abs(v - c); !(d <= tolerance*abs(c)+1e-7) && !silent || v-v != 0 {
						t.Fatalf("%s: constant %v: value %d decodes to %v", f, c, i, v)
					}
				}
			}
		}
	}
}

func TestCallerBugsPanic(t *testing.T) {
	f, _ := ByName("Q8_0")
	for name, call := range map[string]func(){
		"partial block":    func() { f.Unpack(make([]float32, 31), make([]byte, 34)) },
		"short bytes":      func() { f.Unpack(make([]float32, 64), make([]byte, 34)) },
		"partial row":      func() { f.Pack(make([]byte, 34), make([]float32, 32), nil, 64) },
		"no width":         func() { f.Pack(nil, nil, nil, 0) },
		"short importance": func() { f.Pack(make([]byte, 34), make([]float32, 32), make([]float32, 31), 32) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "quant: Q8_0: ") {
					t.Errorf("panic %q, want one that names package and format", s)
				}
			}()
			call()
		})
	}
}

// FuzzUnpack: any bytes decode without a panic in every format, and the same each time.
func FuzzUnpack(f *testing.F) {
	const maxFuzz = 1024 // bytes, a few blocks: more find nothing more, and are slower
	for i := range Formats() {
		for _, block := range [][]byte{{0}, {0xff}, {0x7c, 0x00, 0x5a}} {
			f.Add(uint8(i), bytes.Repeat(block, 300))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		q := Formats()[int(which)%len(Formats())]
		n := min(len(raw), maxFuzz) / q.Bytes
		if !q.CanUnpack() {
			return
		}
		a, b := make([]float32, n*q.Block), make([]float32, n*q.Block)
		q.Unpack(a, raw[:n*q.Bytes])
		q.Unpack(b, raw[:n*q.Bytes])
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				t.Fatalf("%s: value %d decodes to %v, then %v", q, i, a[i], b[i])
			}
		}
	})
}
