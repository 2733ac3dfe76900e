package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// vectorOp calls a function on slices s of one length, with scalar a in (0, 1]; it returns the scalar results.
type vectorOp struct {
	name   string
	slices int
	run    func(l *Level, s [][]float32, a float32) []float32
}

// vectorOps are the functions of the vector group. What must not be written is compared as well. The variants work in
// place.
var vectorOps = []vectorOp{
	{"Exp", 2, func(l *Level, s [][]float32, a float32) []float32 { l.Exp(s[0], s[1]); return nil }},
	{"Exp in place", 1, func(l *Level, s [][]float32, a float32) []float32 { l.Exp(s[0], s[0]); return nil }},
	{"SoftmaxExp", 2, func(l *Level, s [][]float32, a float32) []float32 {
		return []float32{l.SoftmaxExp(s[0], s[1], a)}
	}},
	{"SoftmaxExp in place", 1, func(l *Level, s [][]float32, a float32) []float32 {
		return []float32{l.SoftmaxExp(s[0], s[0], 3*a)}
	}},
	{"SwiGLU", 3, func(l *Level, s [][]float32, a float32) []float32 { l.SwiGLU(s[0], s[1], s[2]); return nil }},
	{"SwiGLU in gate", 2, func(l *Level, s [][]float32, a float32) []float32 { l.SwiGLU(s[0], s[0], s[1]); return nil }},
	{"SwiGLU in up", 2, func(l *Level, s [][]float32, a float32) []float32 { l.SwiGLU(s[1], s[0], s[1]); return nil }},
	{"GeGLU", 3, func(l *Level, s [][]float32, a float32) []float32 { l.GeGLU(s[0], s[1], s[2]); return nil }},
	{"GeGLU in gate", 2, func(l *Level, s [][]float32, a float32) []float32 { l.GeGLU(s[0], s[0], s[1]); return nil }},
	{"SwiGLUBack", 5, func(l *Level, s [][]float32, a float32) []float32 {
		l.SwiGLUBack(s[0], s[1], s[2], s[3], s[4])
		return nil
	}},
	{"SwiGLUBack in place", 3, func(l *Level, s [][]float32, a float32) []float32 {
		l.SwiGLUBack(s[1], s[2], s[0], s[1], s[2])
		return nil
	}},
	{"RMSNorm", 3, func(l *Level, s [][]float32, a float32) []float32 {
		l.RMSNorm(s[0], s[1], s[2], a*1e-5)
		return nil
	}},
	{"RMSNorm in place", 2, func(l *Level, s [][]float32, a float32) []float32 {
		l.RMSNorm(s[0], s[0], s[1], a*1e-5)
		return nil
	}},
	{"RMSNormBack", 5, func(l *Level, s [][]float32, a float32) []float32 {
		l.RMSNormBack(s[0], s[1], s[2], s[3], s[4], a*1e-5)
		return nil
	}},
	{"Rope", 3, func(l *Level, s [][]float32, a float32) []float32 {
		h := len(s[0]) / 2
		l.Rope(s[0], s[1][:h], s[2][:h], false)
		return nil
	}},
	{"Rope neox", 3, func(l *Level, s [][]float32, a float32) []float32 {
		h := len(s[0]) / 2
		l.Rope(s[0], s[1][:h], s[2][:h], true)
		return nil
	}},
	{"Rope of a part", 3, func(l *Level, s [][]float32, a float32) []float32 {
		h := len(s[0]) / 3
		l.Rope(s[0], s[1][:h], s[2][:h], true)
		return nil
	}},
	{"Add", 2, func(l *Level, s [][]float32, a float32) []float32 { l.Add(s[0], s[1]); return nil }},
	{"Add to itself", 1, func(l *Level, s [][]float32, a float32) []float32 { l.Add(s[0], s[0]); return nil }},
	{"Mul", 2, func(l *Level, s [][]float32, a float32) []float32 { l.Mul(s[0], s[1]); return nil }},
	{"Mul by itself", 1, func(l *Level, s [][]float32, a float32) []float32 { l.Mul(s[0], s[0]); return nil }},
	{"Axpy", 2, func(l *Level, s [][]float32, a float32) []float32 { l.Axpy(s[0], a, s[1]); return nil }},
	{"Axpy to itself", 1, func(l *Level, s [][]float32, a float32) []float32 { l.Axpy(s[0], a, s[0]); return nil }},
	{"MulAdd", 3, func(l *Level, s [][]float32, a float32) []float32 { l.MulAdd(s[0], s[1], s[2]); return nil }},
	{"MulAdd of a square", 2, func(l *Level, s [][]float32, a float32) []float32 { l.MulAdd(s[0], s[1], s[1]); return nil }},
	{"Scale", 1, func(l *Level, s [][]float32, a float32) []float32 { l.Scale(s[0], -a); return nil }},
	{"Div", 1, func(l *Level, s [][]float32, a float32) []float32 { l.Div(s[0], -a); return nil }},
	{"Max", 1, func(l *Level, s [][]float32, a float32) []float32 { return []float32{l.Max(s[0])} }},
	{"Sum", 1, func(l *Level, s [][]float32, a float32) []float32 { return []float32{l.Sum(s[0])} }},
	{"SumSq", 1, func(l *Level, s [][]float32, a float32) []float32 { return []float32{l.SumSq(s[0])} }},
	{"Dot", 2, func(l *Level, s [][]float32, a float32) []float32 { return []float32{l.Dot(s[0], s[1])} }},
	{"AllFinite", 1, func(l *Level, s [][]float32, a float32) []float32 {
		if l.AllFinite(s[0]) {
			return []float32{1}
		}
		return []float32{0}
	}},
	{"AdamW", 4, func(l *Level, s [][]float32, a float32) []float32 {
		step := AdamWStep{GradScale: a, Beta1: 0.9, Beta2: 0.95, LR: 1e-3 * a, InvSqrtBias2: 1 + a, Eps: 1e-8, Decay: 1 - 1e-4*a}
		l.AdamW(s[0], s[1], s[2], s[3], &step)
		return nil
	}},
}

// fillKind fills x with values of a kind: 0 ordinary, 1 any finite bits, 2 all kinds of number mixed.
func fillKind(r *rand.Rand, x []float32, kind int) {
	fillNormal(r, x, 3)
	if kind == 0 {
		return
	}
	special := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32, 1e-38, -1e-40,
		expLo, expHi, -expLo, -expHi, math.Nextafter32(expLo, -100), math.Nextafter32(expHi, 100), 88.72, -104, 65504, 65520}
	for i := range x {
		if kind == 1 {
			for x[i] = math.Float32frombits(r.Uint32()); x[i]-x[i] != 0; {
				x[i] = math.Float32frombits(r.Uint32())
			}
		} else if r.IntN(4) == 0 {
			x[i] = special[r.IntN(len(special))]
		}
	}
}

func TestVectors(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		for _, op := range append(vectorOps[:len(vectorOps):len(vectorOps)], derivedOps...) {
			t.Run(op.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(8, 8))
				run := func(n, kind int) {
					t.Helper()
					what := fmt.Sprintf("%s, length %d, kind %d", op.name, n, kind)
					var got, want [][]float32
					var checks []func(*testing.T, string)
					for range op.slices {
						s, check := guarded(n, r.IntN(16), float32(7))
						fillKind(r, s, kind)
						got, want, checks = append(got, s), append(want, append([]float32(nil), s...)), append(checks, check)
					}
					a := 1 - r.Float32()
					wantScalars := op.run(&portable, want, a)
					gotScalars := op.run(l, got, a)
					equalOrNaN(t, what+", results", gotScalars, wantScalars)
					for i, s := range got {
						equalOrNaN(t, fmt.Sprintf("%s, slice %d", what, i), s, want[i])
						checks[i](t, what)
					}
				}
				for n := range 301 {
					run(n, n%3)
				}
				for n := 301; n < 1100; n += 1 + n/40 { // GELU goes by 512
					run(n, n%3)
				}
				run(vectorSpanForTest-1, 1)
				run(vectorSpanForTest+37, 2)
			})
		}
	}, floatEntries()...)
}

const vectorSpanForTest = 1 << 14 // of amd64; any other number is as right

// One bad element anywhere is found, and Max finds its element and no NaN.
func TestAllFiniteAndMaxPositions(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		for n := 1; n < 200; n++ {
			x, _ := guarded(n, n%16, float32(math.Inf(1)))
			for i := range x {
				x[i] = -float32(i) - 1
			}
			if !l.AllFinite(x) {
				t.Fatalf("AllFinite of %d finite values is false", n)
			}
			for i := range x {
				keep := x[i]
				for _, bad := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
					if x[i] = float32(bad); l.AllFinite(x) {
						t.Fatalf("AllFinite of %d values with %g at %d is true", n, bad, i)
					}
				}
				if got, want := l.Max(x), vmax(x); got != want { // x[i] is NaN
					t.Fatalf("Max of %d values with NaN at %d = %g, want %g", n, i, got, want)
				}
				if x[i] = 5; l.Max(x) != 5 {
					t.Fatalf("Max of %d values with 5 at %d = %g", n, i, l.Max(x))
				}
				x[i] = keep
			}
		}
	}, "AllFinite", "Max")
}

// A chain may end in -0 (products that underflow), which missing elements must not turn into +0; the largest of zeros is
// +0 whatever their signs.
func TestZeroSigns(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(12, 12))
		for n := 1; n < 100; n++ {
			x, y := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i], y[i] = 1e-30, -1e-30
			}
			equalBits(t, fmt.Sprintf("Dot of length %d", n), []float32{l.Dot(x, y)}, []float32{dot(x, y)})
			for i := range x {
				x[i] = float32(math.Copysign(0, r.Float64()-0.5))
			}
			equalBits(t, fmt.Sprintf("Max of length %d", n), []float32{l.Max(x)}, []float32{0})
		}
	}, "Dot", "Max")
}

func TestExpEverywhere(t *testing.T) {
	const n = 1 << 12
	x, want, got := make([]float32, n), make([]float32, n), make([]float32, n)
	for b := uint64(0); b < 1<<32; b += n * 1021 {
		for i := range x {
			x[i] = math.Float32frombits(uint32(b + uint64(i)*1021))
		}
		vexp(want, x)
		for _, l := range Levels()[1:] {
			l.Exp(got, x)
			equalOrNaN(t, l.Name, got, want)
		}
	}
}

func TestConversions(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(9, 9))
		half := make([]uint16, 1<<16)
		for i := range half {
			half[i] = uint16(i)
		}
		got, want := make([]float32, 1<<16), make([]float32, 1<<16)
		f16ToF32(want, half)
		l.F16ToF32(got, half)
		equalBits(t, "every half", got, want)
		bf16ToF32(want, half)
		l.BF16ToF32(got, half)
		equalBits(t, "every bfloat16", got, want)

		for n := range 301 {
			what := fmt.Sprintf("length %d", n)
			h, _ := guarded(n, n%16, uint16(0))
			f, checkF := guarded(n, n%13, float32(7))
			for i := range h {
				h[i] = uint16(r.Uint32())
			}
			l.F16ToF32(f, h)
			f16ToF32(want, h)
			equalBits(t, "F16ToF32, "+what, f, want[:n])
			l.BF16ToF32(f, h)
			bf16ToF32(want, h)
			equalBits(t, "BF16ToF32, "+what, f, want[:n])
			checkF(t, what)
		}
		for n := range 1500 {
			n %= 301
			f, _ := guarded(n, n%13, float32(7))
			h, check := guarded(n, n%16, uint16(7))
			for i := range f {
				switch r.IntN(3) {
				case 0: // a half or its middle to the next, and what lies beside
					f[i] = math.Float32frombits(math.Float32bits(F16ToF32(uint16(r.Uint32()))) + uint32(r.IntN(3))<<12 - uint32(r.IntN(3)))
				case 1:
					f[i] = math.Float32frombits(r.Uint32())
				default:
					f[i] = float32(r.NormFloat64())
				}
			}
			wantH := make([]uint16, n)
			f32ToF16(wantH, f)
			l.F32ToF16(h, f)
			for i := range h {
				if h[i] != wantH[i] {
					t.Fatalf("F32ToF16 of %g (%08x) = %04x, portable gives %04x (element %d of %d)", f[i], math.Float32bits(f[i]), h[i], wantH[i], i, n)
				}
			}
			check(t, fmt.Sprintf("F32ToF16, length %d", n))
		}
	}, "F16ToF32", "F32ToF16", "BF16ToF32")
}

func BenchmarkVectors(b *testing.B) {
	r := rand.New(rand.NewPCG(10, 10))
	for _, l := range Levels() {
		for _, op := range vectorOps {
			b.Run(l.Name+"/"+op.name, func(b *testing.B) {
				const n = 1536
				s := make([][]float32, op.slices)
				for i := range s {
					s[i] = make([]float32, n)
				}
				fillNormal(r, s[op.slices-1], 1e-3)
				for b.Loop() {
					op.run(l, s, 0.5)
				}
				b.ReportMetric(n*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gelem/s")
			})
		}
	}
}
