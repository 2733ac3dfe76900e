package engine

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// fixtures returns the reference data folder: FREEHOLD_FIXTURES (relative to the module root), else a sibling
// checkout's shared data, else testdata.
func fixtures(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if d := os.Getenv("FREEHOLD_FIXTURES"); d != "" {
		if filepath.IsAbs(d) {
			return d
		}
		return filepath.Join(root, d)
	}
	if d := filepath.Join(root, "..", "shared", "fixtures"); dirExists(d) {
		return d
	}
	return filepath.Join(root, "testdata")
}

func dirExists(d string) bool { st, err := os.Stat(d); return err == nil && st.IsDir() }

// fixture returns the path of a reference model's file: of the reference data, else of testdata, which holds some of it. A
// test of a model that neither has is left out, and says so.
func fixture(t testing.TB, file string) string {
	t.Helper()
	for _, dir := range []string{fixtures(t), filepath.Join("..", "testdata")} {
		if path := filepath.Join(dir, "models", file); fileExists(path) {
			return path
		}
	}
	t.Skipf("NOT TESTED: %s is neither in %s nor in testdata", file, fixtures(t))
	return ""
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// vectors decodes base64 of little-endian f32.
type vectors []float32

func (v *vectors) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		*v = append(*v, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	return nil
}

type differences struct {
	MaxAbs float64 `json:"max_abs"`
	RMS    float64 `json:"rms"`
	MeanKL float64 `json:"mean_kl"`
}

// tinyref is a fixture: what llama.cpp answers for a tiny model.
type tinyref struct {
	Arch, Quant       string
	NCtx              int `json:"n_ctx"`
	Tokens            []int32
	Positions         []int
	Native            []vectors `json:"logits_native"`
	Exact             []vectors `json:"logits_exact"`
	GreedyNative      []int32   `json:"greedy_native"`
	GreedyExact       []int32   `json:"greedy_exact"`
	GreedyExactMargin []float64 `json:"greedy_exact_margin"`
	GreedyNatMargin   []float64 `json:"greedy_native_margin"`
	Spread            struct {
		NativeVsExact differences `json:"native_vs_exact"`
	}
}

// compare gives the largest difference, the root mean square and the mean KL divergence (reference to got, nats)
// over rows.
func compare(ref []vectors, got [][]float32) (d differences) {
	var sq float64
	n := 0
	for r := range ref {
		logZ := func(x []float32) float64 {
			m := math.Inf(-1)
			for _, v := range x {
				m = math.Max(m, float64(v))
			}
			var s float64
			for _, v := range x {
				s += math.Exp(float64(v) - m)
			}
			return m + math.Log(s)
		}
		zr, zg := logZ(ref[r]), logZ(got[r])
		for i, want := range ref[r] {
			e := float64(got[r][i]) - float64(want)
			d.MaxAbs = math.Max(d.MaxAbs, math.Abs(e))
			sq += e * e
			n++
			lp := float64(want) - zr
			d.MeanKL += math.Exp(lp) * (lp - (float64(got[r][i]) - zg)) / float64(len(ref))
		}
	}
	d.RMS = math.Sqrt(sq / float64(n))
	return d
}

// medians is compare of each row alone, and the median of each measure: a near-tie in a router moves single positions of a
// quantised model by units, in llama.cpp as well, so the fixtures' README has such models judged by it.
func medians(ref []vectors, got [][]float32) (d differences) {
	var rms, kl []float64
	for r := range ref {
		one := compare(ref[r:r+1], got[r:r+1])
		rms, kl = append(rms, one.RMS), append(kl, one.MeanKL)
	}
	median := func(x []float64) float64 {
		slices.Sort(x)
		return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
	}
	d.RMS, d.MeanKL = median(rms), median(kl)
	return d
}

// decodable tells why a file cannot be run: an architecture or a tensor format that is not known here.
func decodable(f *gguf.File) (why string) {
	arch, _ := f.String("general.architecture")
	known := false
	for _, a := range models.Architectures() {
		known = known || a == arch
	}
	if !known {
		return arch
	}
	for i := range f.Tensors {
		if q, ok := quant.ByType(f.Tensors[i].Type); !ok || !q.CanUnpack() {
			return "cannot be decoded"
		}
	}
	return ""
}

// Every model file either gives llama.cpp's logits within the tolerances of the fixtures' README, or is refused by an
// error that names what is not known.
func TestFixturesModels(t *testing.T) {
	paths, _ := filepath.Glob(filepath.Join(fixtures(t), "models", "*.gguf"))
	ran := 0
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gguf"), func(t *testing.T) {
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if why := decodable(f); why != "" {
				m, err := New(f)
				if err == nil {
					m.Close()
					t.Fatalf("opened, but %s is not known", why)
				}
				if !strings.Contains(err.Error(), why) {
					t.Fatalf("refused by %q, which does not name %q", err, why)
				}
				return
			}
			ran++
			var ref tinyref
			readJSON(t, strings.TrimSuffix(path, ".gguf")+".json", &ref)
			checkReference(t, f, &ref)
			checkNormal(t, f, &ref)
		})
	}
	if ran < 5 {
		t.Fatalf("only %d model fixtures could be run in %s", ran, fixtures(t))
	}
}

func newModel(t testing.TB, f *gguf.File, opts ...Option) *Model {
	t.Helper()
	m, err := New(f, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// at evaluates the fixture's tokens and returns the logits at its positions.
func at(t testing.TB, m *Model, ref *tinyref) [][]float32 {
	t.Helper()
	s := m.NewSession()
	if err := m.EvalBatch(context.Background(), []Seq{{s, ref.Tokens, WantAll}}); err != nil {
		t.Fatal(err)
	}
	var rows [][]float32
	for _, p := range ref.Positions {
		rows = append(rows, s.LogitsAll()[p*m.Spec.Vocab:(p+1)*m.Spec.Vocab])
	}
	return rows
}

// greedySteps continues greedily and compares with want as long as the reference's margin is above tol; it returns
// the number of steps compared.
func greedySteps(t testing.TB, m *Model, ref *tinyref, want []int32, margins []float64, tol float64) int {
	t.Helper()
	s := m.NewSession()
	tokens := append([]int32(nil), ref.Tokens...)
	for i, w := range want {
		l, err := s.Eval(context.Background(), tokens)
		if err != nil {
			t.Fatal(err)
		}
		if margins[i] < 2*tol {
			return i
		}
		if g := argmax(l); g != w {
			t.Fatalf("greedy step %d is token %d, want %d (margin %g)", i, g, w, margins[i])
		}
		tokens = append(tokens, w)
	}
	return len(want)
}

// geluTable is the fixtures' tolerance where llama.cpp reads GELU from a table of f16 values.
const geluTable = 2e-2

func checkReference(t *testing.T, f *gguf.File, ref *tinyref) {
	want, greedy, margins := ref.Exact, ref.GreedyExact, ref.GreedyExactMargin
	tol := 2e-3
	switch ref.Quant {
	case "F32":
		want, greedy, margins, tol = ref.Native, ref.GreedyNative, ref.GreedyNatMargin, 1e-3
	case "F16":
		tol = 0.05
	case "BF16":
		tol = 0.4
	}
	m := newModel(t, f, WithNumeric(Reference), WithContext(ref.NCtx))
	if m.Spec.Act == models.GELUGate || m.Spec.Act == models.GELUOnly {
		tol = max(tol, geluTable)
	}
	d := compare(want, at(t, m, ref))
	n := greedySteps(t, m, ref, greedy, margins, tol)
	t.Logf("reference: max abs %.3g (at most %g), rms %.3g, %d greedy steps", d.MaxAbs, tol, d.RMS, n)
	if !(d.MaxAbs <= tol) {
		t.Errorf("mode reference: max abs %g, want at most %g", d.MaxAbs, tol)
	}
}

func checkNormal(t *testing.T, f *gguf.File, ref *tinyref) {
	m := newModel(t, f, WithKV(KVF32), WithContext(ref.NCtx))
	got := at(t, m, ref)
	if ref.Quant == "F32" {
		tol := 1e-3
		if m.Spec.Act == models.GELUGate || m.Spec.Act == models.GELUOnly {
			tol = geluTable
		}
		d := compare(ref.Native, got)
		n := greedySteps(t, m, ref, ref.GreedyNative, ref.GreedyNatMargin, tol)
		t.Logf("normal: max abs %.3g (at most %g), %d greedy steps", d.MaxAbs, tol, n)
		if !(d.MaxAbs <= tol) {
			t.Errorf("mode normal: max abs %g, want at most %g", d.MaxAbs, tol)
		}
		return
	}
	spread := ref.Spread.NativeVsExact
	judge := compare
	if m.Spec.Experts > 0 {
		judge = medians
	}
	exact, native := judge(ref.Exact, got), judge(ref.Native, got)
	n := greedySteps(t, m, ref, ref.GreedyExact, ref.GreedyExactMargin, spread.MaxAbs)
	t.Logf("normal: rms %.3g of %.3g, mean KL %.3g of %.3g, rms to native %.3g, %d greedy steps", exact.RMS, spread.RMS, exact.MeanKL, spread.MeanKL, native.RMS, n)
	// F16 and BF16 weights run with exact f32 activations here, which only brings the logits nearer.
	if !(exact.RMS <= 1.3*spread.RMS) {
		t.Errorf("mode normal: rms to exact %g, want at most 1.3 x %g", exact.RMS, spread.RMS)
	}
	if !(exact.MeanKL <= 1.7*spread.MeanKL) {
		t.Errorf("mode normal: mean KL to exact %g, want at most 1.7 x %g", exact.MeanKL, spread.MeanKL)
	}
	if !(native.RMS <= 2*spread.RMS) {
		t.Errorf("mode normal: rms to native %g, want at most 2 x %g", native.RMS, spread.RMS)
	}
}
