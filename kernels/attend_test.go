package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// kvType is a type of K and V.
type kvType int

const (
	kv32 kvType = iota
	kv16
	kv8
	kvTypes
)

func (t kvType) String() string { return [...]string{"f32", "f16", "q8_0"}[t] }

// attnPage makes a page of random work for queries that see keys lo[i] to hi[i], with guard bands around what is
// written. Keys that no query sees are NaN.
func attnPage(r *rand.Rand, hd, off int, kv kvType, lo, hi []int32) (a *AttnPage, check func(t *testing.T, what string)) {
	nq := len(lo)
	nan := float32(math.NaN())
	floats := func(n int) []float32 { s, _ := guarded(n, off, nan); return s }
	out, checkOut := guarded(nq*hd, off, float32(7))
	p, checkP := guarded(nq*PageKeys, off, float32(7))
	sums, checkSums := guarded(2*nq, off, float32(7))
	checkD := func(*testing.T, string) {}
	a = &AttnPage{HeadDim: hd, NQ: nq, Q: floats(nq * hd), Lo: lo, Hi: hi, Scale: float32(1 / math.Sqrt(float64(hd))),
		P: p, Out: out, Max: sums[:nq], Sum: sums[nq:], B: floats(ManyRoom)}
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
	switch kv {
	case kv32:
		a.K32, a.V32 = k, v
	case kv16:
		a.K16, _ = guarded(len(k), off, uint16(0x7e00))
		a.V16, _ = guarded(len(v), off, uint16(0x7e00))
		f32ToF16(a.K16, k)
		f32ToF16(a.V16, v)
	case kv8: // any codes; scales from subnormal to large
		a.K8, _ = guarded(len(k), off, int8(-128))
		a.V8, _ = guarded(len(v), off, int8(-128))
		n := a.scales()
		a.KD, _ = guarded(n, off, uint16(0x7e00))
		a.VD, _ = guarded(n, off, uint16(0x7e00))
		a.D, checkD = guarded(Q8Room(hd), off, float32(7))
		for i := range k {
			a.K8[i], a.V8[i] = int8(r.IntN(255)-127), int8(r.IntN(255)-127)
		}
		for i := range n {
			// The key's element of a block is NaN where no query sees it.
			d, j := i/PageKeys*32, i%PageKeys
			a.KD[i] = F32ToF16(k[(j/16*hd+d)*16+j%16]*0x1p-6) &^ 0x8000
			a.VD[i] = F32ToF16(v[j*hd+d]*float32(math.Exp2(float64(-r.IntN(22))))) &^ 0x8000
		}
	}
	return a, func(t *testing.T, what string) {
		t.Helper()
		checkOut(t, what)
		checkP(t, what)
		checkSums(t, what)
		checkD(t, what)
	}
}

func TestAttendPage(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(4, 4))
		run := func(hd int, kv kvType, lo, hi []int32) {
			t.Helper()
			what := fmt.Sprintf("headDim %d %v lo %v hi %v", hd, kv, lo, hi)
			a, check := attnPage(r, hd, r.IntN(16), kv, lo, hi)
			if r.IntN(4) == 0 {
				a.Cap = 1 + 20*r.Float32()
			}
			if r.IntN(4) == 0 {
				for i := range lo {
					a.Slope, a.At = append(a.Slope, r.Float32()), append(a.At, hi[i]-1+int32(r.IntN(3)*200))
				}
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
			run(8, kvType(n%2), lo, hi)
			run(32, kv8, lo, hi)
			lo, hi = one(n*5%(PageKeys-n+1), n*5%(PageKeys-n+1)+n)
			run(8, kvType(1-n%2), lo, hi)
			run(32, kv8, lo, hi)
		}
		for hd := 8; hd <= 136; hd += 8 {
			for kv := range kvTypes {
				if kv == kv8 && hd%32 != 0 {
					continue
				}
				for range 3 {
					nq := 1 + r.IntN(17)
					lo, hi := make([]int32, nq), make([]int32, nq)
					at, group, window := int32(r.IntN(PageKeys-nq)), 1+r.IntN(4), int32(1+r.IntN(PageKeys))
					for i := range lo { // causal, some with a sliding window, heads in groups
						hi[i] = at + int32(i/group) + 1
						lo[i] = max(0, hi[i]-window)
					}
					run(hd, kv, lo, hi)
				}
			}
		}
		for _, hd := range []int{8, 64, 72, 136, 192} { // many queries
			for kv := range kv8 {
				nq := 16 + r.IntN(100)
				lo, hi := make([]int32, nq), make([]int32, nq)
				at, group, window := int32(r.IntN(PageKeys-nq)), 1+r.IntN(4), int32(1+r.IntN(2*PageKeys))
				for i := range lo {
					hi[i] = at + int32(i/group) + 1
					lo[i] = max(0, hi[i]-window)
				}
				run(hd, kv, lo, hi)
			}
		}
		for range 60 { // anything goes, empty ranges too
			nq := 1 + r.IntN(30)
			lo, hi := make([]int32, nq), make([]int32, nq)
			for i := range lo {
				lo[i], hi[i] = int32(r.IntN(PageKeys+1)), int32(r.IntN(PageKeys+1))
			}
			run(8*(1+r.IntN(5)), kvType(r.IntN(2)), lo, hi)
			run(32*(1+r.IntN(3)), kv8, lo, hi)
		}
		full := func(nq int) ([]int32, []int32) {
			hi := make([]int32, nq)
			for i := range hi {
				hi[i] = PageKeys
			}
			return make([]int32, nq), hi
		}
		for kv := range kvTypes {
			lo, hi := full(29)
			run(64, kv, lo, hi)
			lo, hi = full(3)
			run(256, kv, lo, hi)
			for nq := range 9 { // each height of the tiles for few queries, and what is left after them
				lo, hi = full(1 + nq)
				run(96, kv, lo, hi)
			}
		}
	}, "AttendPage")
}

// What is stored in half precision is attended to as the f32 numbers that it decodes to; over q8_0, whose queries and weights are rounded
// to 16 bits, the results are those of the decoded numbers to a part in a thousand of the largest.
func TestAttendPageTypes(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(9, 9))
		for n := range 60 {
			hd, nq, kv := 32*(1+n%5), 1+r.IntN(20), kv16+kvType(n%2)
			lo, hi := make([]int32, nq), make([]int32, nq)
			for i := range lo {
				hi[i] = 1 + int32(r.IntN(PageKeys))
				lo[i] = int32(r.IntN(int(hi[i])))
			}
			a, _ := attnPage(r, hd, n%16, kv, lo, hi)
			want := *a
			want.K16, want.V16, want.K8, want.V8, want.KD, want.VD = nil, nil, nil, nil, nil, nil
			want.K32, want.V32 = make([]float32, PageKeys*hd), make([]float32, PageKeys*hd)
			largest := float32(0)
			for j := range PageKeys {
				for d := range hd {
					k, v := &want.K32[(j/16*hd+d)*16+j%16], &want.V32[j*hd+d]
					if kv == kv16 {
						*k, *v = a.key(j, d), a.value(j, d)
						continue
					}
					a.VD[d/32*PageKeys+j] = a.KD[d/32*PageKeys+j] // of one size
					*k = float32(a.K8[Q8Key(hd, j, d)]) * F16ToF32(a.KD[d/32*PageKeys+j])
					*v = float32(a.V8[Q8Value(hd, j, d)]) * F16ToF32(a.VD[d/32*PageKeys+j])
					if *v > largest {
						largest = *v
					}
				}
			}
			want.P, want.Out = make([]float32, len(a.P)), make([]float32, len(a.Out))
			want.Max, want.Sum = make([]float32, a.NQ), make([]float32, a.NQ)
			l.AttendPage(&want)
			l.AttendPage(a)
			what := fmt.Sprintf("headDim %d %v, %d queries", hd, kv, nq)
			if kv == kv16 {
				equalBits(t, what+" out", a.Out, want.Out)
				equalBits(t, what+" max", a.Max, want.Max)
				equalBits(t, what+" sum", a.Sum, want.Sum)
				continue
			}
			for i := range nq {
				for d := range hd {
					got, want := a.Out[i*hd+d]/a.Sum[i], want.Out[i*hd+d]/want.Sum[i]
					if diff := math.Abs(float64(got - want)); !(diff <= 1e-3*float64(largest)) {
						t.Fatalf("%s: element %d of query %d is %v, of the decoded numbers %v", what, d, i, got, want)
					}
				}
			}
		}
	}, "AttendPage")
}

// Numbers that are not finite come out as NaN, on each level, and do not touch other queries; small ones count as zero.
func TestAttendPageQ8Extremes(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(10, 10))
		for n, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat32, 0x1p-100, 0x1p-101, 0} {
			const hd, nq = 64, 5
			lo, hi := make([]int32, nq), make([]int32, nq)
			for i := range hi {
				hi[i] = PageKeys
			}
			a, _ := attnPage(r, hd, n, kv8, lo, hi)
			for d := range 32 {
				a.Q[2*hd+d] *= 0x1p-110
			}
			a.Q[2*hd+7] = float32(x)
			want := *a
			want.P, want.Out = make([]float32, len(a.P)), make([]float32, len(a.Out))
			want.Max, want.Sum = make([]float32, a.NQ), make([]float32, a.NQ)
			attendPage(&want)
			l.AttendPage(a)
			what := fmt.Sprint("an element of ", x)
			equalOrNaN(t, what+" out", a.Out, want.Out)
			equalOrNaN(t, what+" max", a.Max, want.Max)
			equalOrNaN(t, what+" sum", a.Sum, want.Sum)
			for i, v := range a.Out {
				if bad := n < 4 && i/hd == 2; bad != (v != v) { // of the largest number a score overflows
					t.Fatalf("%s: element %d of query %d is %v", what, i%hd, i/hd, v)
				}
			}
		}
	}, "AttendPage")
}

// Q8Head's parts are what AttnPage wants, and no two of them share memory.
func TestQ8Head(t *testing.T) {
	for _, hd := range []int{32, 64, 96, 256} {
		words := make([]uint16, Q8HeadWords(hd))
		kd, vd, k8, v8 := Q8Head(words, hd)
		a := &AttnPage{HeadDim: hd}
		if len(kd) != a.scales() || len(vd) != a.scales() || len(k8) != PageKeys*hd || len(v8) != PageKeys*hd {
			t.Fatalf("headDim %d: %d, %d scales, %d, %d codes", hd, len(kd), len(vd), len(k8), len(v8))
		}
		for i := range kd {
			kd[i], vd[i] = 0x0101, 0x0202
		}
		for i := range k8 {
			k8[i], v8[i] = 3, 4
		}
		count := map[uint16]int{}
		for _, w := range words {
			count[w]++
		}
		n := PageKeys * hd / 2
		if count[0x0101] != len(kd) || count[0x0202] != len(vd) || count[0x0303] != n || count[0x0404] != n {
			t.Errorf("headDim %d: parts overlap or leave something out: %v", hd, count)
		}
	}
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
			a, _ := attnPage(r, 8, n%16, kv32, lo, hi)
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
	}, "AttendPage")
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
	}, "AttendMerge")
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
			kv     kvType
		}{{64, 3, kv16}, {64, 3, kv8}, {64, 16, kv16}, {64, 42, kv16}, {64, 42, kv8}, {64, 42, kv32}, {128, 6, kv16}, {128, 42, kv16}} {
			b.Run(fmt.Sprintf("%s/hd%d/nq%d/%v", l.Name, s.hd, s.nq, s.kv), func(b *testing.B) {
				lo, hi := make([]int32, s.nq), make([]int32, s.nq)
				for i := range hi {
					hi[i] = PageKeys
				}
				a, _ := attnPage(r, s.hd, 0, s.kv, lo, hi)
				for b.Loop() {
					l.AttendPage(a)
				}
				b.ReportMetric(4*float64(s.nq*PageKeys*s.hd)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}

// BenchmarkAttendDecode walks pages of a KV cache that no cache of the CPU holds, head after head as they lie in it, for
// the queries of one token.
func BenchmarkAttendDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, l := range Levels()[1:] {
		for _, s := range []struct {
			hd, nq int
			kv     kvType
		}{{64, 1, kv16}, {64, 3, kv16}, {64, 3, kv8}, {64, 7, kv16}, {64, 7, kv8}, {128, 4, kv16}, {128, 4, kv8}, {256, 4, kv16}} {
			b.Run(fmt.Sprintf("%s/hd%d/nq%d/%v", l.Name, s.hd, s.nq, s.kv), func(b *testing.B) {
				lo, hi := make([]int32, s.nq), make([]int32, s.nq)
				for i := range hi {
					hi[i] = PageKeys
				}
				a, _ := attnPage(r, s.hd, 0, s.kv, lo, hi)
				n := PageKeys * s.hd
				size := 2 * n
				if s.kv == kv8 {
					size = Q8HeadWords(s.hd)
				}
				cache := make([]uint16, 100<<20/size*size)
				for i := range cache {
					cache[i] = uint16(i*7) & 0x3bff
				}
				at := 0
				for b.Loop() {
					x := cache[at : at+size]
					if a.Next = cache[:size]; at+size < len(cache) {
						a.Next = cache[at+size : at+2*size]
					}
					if s.kv == kv8 {
						a.KD, a.VD, a.K8, a.V8 = Q8Head(x, s.hd)
					} else {
						a.K16, a.V16 = x[:n], x[n:]
					}
					l.AttendPage(a)
					if at += size; at == len(cache) {
						at = 0
					}
				}
				b.ReportMetric(float64(2*size)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GB/s")
			})
		}
	}
}
