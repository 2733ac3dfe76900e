package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// attnPage makes a page of random work for queries that see keys lo[i] to hi[i], with guard bands around what is
// written. Keys that no query sees are NaN.
func attnPage(r *rand.Rand, hd, off int, half bool, lo, hi []int32) (a *AttnPage, check func(t *testing.T, what string)) {
	nq := len(lo)
	nan := float32(math.NaN())
	floats := func(n int) []float32 { s, _ := guarded(n, off, nan); return s }
	out, checkOut := guarded(nq*hd, off, float32(7))
	p, checkP := guarded(nq*PageKeys, off, float32(7))
	sums, checkSums := guarded(2*nq, off, float32(7))
	a = &AttnPage{HeadDim: hd, NQ: nq, Q: floats(nq * hd), Lo: lo, Hi: hi, Scale: float32(1 / math.Sqrt(float64(hd))),
		P: p, Out: out, Max: sums[:nq], Sum: sums[nq:]}
	fillNormal(r, a.Q, 1)
	k, v := floats(PageKeys*hd), floats(PageKeys*hd)
	fillNormal(r, k, 1)
	fillNormal(r, v, 1)
	for j := range int32(PageKeys) {
		seen := false
		for i := range lo {
			seen = seen || lo[i] <= j && j < hi[i]
		}
		for d := 0; d < hd && !seen; d++ {
			v[int(j)*hd+d] = nan
			k[(int(j)/16*hd+d)*16+int(j)%16] = nan
		}
	}
	if !half {
		a.K32, a.V32 = k, v
	} else {
		a.K16, _ = guarded(len(k), off, uint16(0x7e00))
		a.V16, _ = guarded(len(v), off, uint16(0x7e00))
		f32ToF16(a.K16, k)
		f32ToF16(a.V16, v)
	}
	return a, func(t *testing.T, what string) {
		t.Helper()
		checkOut(t, what)
		checkP(t, what)
		checkSums(t, what)
	}
}

func TestAttendPage(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(4, 4))
		run := func(hd int, half bool, lo, hi []int32) {
			t.Helper()
			what := fmt.Sprintf("headDim %d half %v lo %v hi %v", hd, half, lo, hi)
			a, check := attnPage(r, hd, r.IntN(16), half, lo, hi)
			if r.IntN(4) == 0 {
				a.Cap = 1 + 20*r.Float32()
			}
			want := *a
			want.P, want.Out = make([]float32, len(a.P)), make([]float32, len(a.Out))
			want.Max, want.Sum = make([]float32, a.NQ), make([]float32, a.NQ)
			attendPage(&want)
			l.AttendPage(a)
			equalBits(t, what+" out", a.Out, want.Out)
			equalBits(t, what+" max", a.Max, want.Max)
			equalBits(t, what+" sum", a.Sum, want.Sum)
			check(t, what)
		}
		one := func(lo, hi int32) ([]int32, []int32) { return []int32{lo}, []int32{hi} }
		for n := range int32(PageKeys + 1) {
			lo, hi := one(n*7%max(n, 1), n)
			run(8, n%2 == 0, lo, hi)
			lo, hi = one(n*5%(PageKeys-n+1), n*5%(PageKeys-n+1)+n)
			run(8, n%2 == 1, lo, hi)
		}
		for hd := 8; hd <= 136; hd += 8 {
			for _, half := range []bool{false, true} {
				for range 3 {
					nq := 1 + r.IntN(17)
					lo, hi := make([]int32, nq), make([]int32, nq)
					at, group, window := int32(r.IntN(PageKeys-nq)), 1+r.IntN(4), int32(1+r.IntN(PageKeys))
					for i := range lo { // causal, some with a sliding window, heads in groups
						hi[i] = at + int32(i/group) + 1
						lo[i] = max(0, hi[i]-window)
					}
					run(hd, half, lo, hi)
				}
			}
		}
		for range 60 { // anything goes, empty ranges too
			nq := 1 + r.IntN(30)
			lo, hi := make([]int32, nq), make([]int32, nq)
			for i := range lo {
				lo[i], hi[i] = int32(r.IntN(PageKeys+1)), int32(r.IntN(PageKeys+1))
			}
			run(8*(1+r.IntN(5)), r.IntN(2) == 0, lo, hi)
		}
		full := func(nq int) ([]int32, []int32) {
			hi := make([]int32, nq)
			for i := range hi {
				hi[i] = PageKeys
			}
			return make([]int32, nq), hi
		}
		lo, hi := full(29)
		run(64, true, lo, hi)
		lo, hi = full(3)
		run(256, true, lo, hi)
	})
}

// Scores of zero with either sign, infinite and NaN keys, and scores far apart.
func TestAttendPageExtremes(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(5, 5))
		for n := range 400 {
			nq := 1 + n%9
			lo, hi := make([]int32, nq), make([]int32, nq)
			for i := range hi {
				hi[i] = 1 + int32(r.IntN(PageKeys))
			}
			a, _ := attnPage(r, 8, n%16, false, lo, hi)
			if n%4 == 0 { // every product underflows, to a zero of either sign
				for i := range a.Q {
					a.Q[i] *= 1e-30
				}
			}
			for i := range a.K32 {
				switch n % 4 {
				case 0:
					a.K32[i] = float32(math.Copysign(1e-30, r.Float64()-0.5))
				case 1:
					a.K32[i] *= 200
				case 2:
					a.K32[i] *= 1e-40
				case 3:
					if r.IntN(300) == 0 {
						a.K32[i] = []float32{float32(math.NaN()), float32(math.Inf(-1)), float32(math.Inf(1))}[r.IntN(1+n%3)]
					}
				}
			}
			want := *a
			want.P, want.Out = make([]float32, len(a.P)), make([]float32, len(a.Out))
			want.Max, want.Sum = make([]float32, a.NQ), make([]float32, a.NQ)
			attendPage(&want)
			l.AttendPage(a)
			what := fmt.Sprintf("case %d of kind %d", n, n%4)
			equalOrNaN(t, what+" out", a.Out, want.Out)
			equalOrNaN(t, what+" max", a.Max, want.Max)
			equalOrNaN(t, what+" sum", a.Sum, want.Sum)
		}
	})
}

func TestAttendMerge(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(6, 6))
		for n := range 300 {
			out, check := guarded(n, n%16, float32(7))
			pout, _ := guarded(n, n%13, float32(7))
			fillNormal(r, out, 1)
			fillNormal(r, pout, 1)
			m, s, pm, ps := float32(r.NormFloat64()), float32(1+r.IntN(3)), float32(r.NormFloat64()*3), float32(1+r.IntN(3))
			switch n % 9 {
			case 0:
				s, m = 0, float32(math.Inf(-1))
			case 1:
				ps, pm = 0, float32(math.Inf(-1))
			case 2:
				pm = m
			}
			want := append([]float32(nil), out...)
			wm, ws := attendMerge(want, m, s, pout, pm, ps)
			gm, gs := l.AttendMerge(out, m, s, pout, pm, ps)
			what := fmt.Sprintf("length %d", n)
			equalBits(t, what, out, want)
			equalBits(t, what+" max, sum", []float32{gm, gs}, []float32{wm, ws})
			check(t, what)
		}
	})
}

// equalOrNaN is equalBits but takes every NaN for the same: payload and sign of a NaN are no part of the specification.
func equalOrNaN(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if g, w := got[i], want[i]; math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			t.Fatalf("%s: element %d of %d is %v (%08x), portable gives %v (%08x)", what, i, len(want),
				g, math.Float32bits(g), w, math.Float32bits(w))
		}
	}
}

func BenchmarkAttendPage(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, l := range Levels()[1:] {
		for _, s := range []struct {
			hd, nq int
			half   bool
		}{{64, 3, true}, {64, 16, true}, {64, 42, true}, {64, 42, false}, {128, 6, true}, {128, 42, true}} {
			b.Run(fmt.Sprintf("%s/hd%d/nq%d/f16=%v", l.Name, s.hd, s.nq, s.half), func(b *testing.B) {
				lo, hi := make([]int32, s.nq), make([]int32, s.nq)
				for i := range hi {
					hi[i] = PageKeys
				}
				a, _ := attnPage(r, s.hd, 0, s.half, lo, hi)
				for b.Loop() {
					l.AttendPage(a)
				}
				b.ReportMetric(4*float64(s.nq*PageKeys*s.hd)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
