//go:build !purego

package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// TestGemvFetch: what is asked for ahead of the rows goes on, once they end, at what the caller reads next.
func TestGemvFetch(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		switch l.Name {
		case "avx2":
			testFetchAVX2(t, map[Type]func(*gemvArgsAVX2){Q8_0: rowsQ8_0AVX2, Q4_0: rowsQ4_0AVX2, Q4_1: rowsQ4_1AVX2, Q5_0: rowsQ5_0AVX2, Q5_1: rowsQ5_1AVX2})
			return
		case "avxvnni":
			testFetchAVX2(t, map[Type]func(*gemvArgsAVX2){Q8_0: rowsQ8_0VNNI})
			return
		case "avx512":
		default:
			t.Fatalf("level %s has one-token kernels of its own, and nothing here tests what they ask ahead", l.Name)
		}
		for typ, rows16 := range map[Type]gemvSums{IQ4_XS: gemvSumsIQ4_XSAVX512, Q2_K: gemvSumsQ2_KAVX512, Q3_K: gemvSumsQ3_KAVX512} {
			for _, k := range []int{512, 2560, 8960} {
				f := IntFormats[typ]
				blocks := k / f.Block
				rb := blocks * f.Bytes
				left := 64 * blocks * map[Type]int{IQ4_XS: 8, Q2_K: 8, Q3_K: 16}[typ]
				w, next, x, s := make([]byte, 16*rb), make([]byte, 1<<20), make([]int8, packedStride(k)), NewScratch(k)
				sums, scales := gemvScratchK(s, blocks, blocks)

				s.ahead(w, left, leadAVX512)
				straight := int(rows16(sums, scales, &w[0], &x[0], 16, blocks, &s.fetch)) - at(w)
				if want := 16*rb - left + int(s.fetch.lead); straight > want || straight < want-32*64 {
					t.Errorf("%s K=%d: %d bytes were asked for from the rows on, want about %d", formatNames[typ], k, straight, want)
				}
				s.Next = Next{At: &next[0]}
				s.ahead(w, left, leadAVX512)
				if got := int(rows16(sums, scales, &w[0], &x[0], 16, blocks, &s.fetch)) - at(next); got != straight-len(w) {
					t.Errorf("%s K=%d: %d bytes of what is read next were asked for, want %d", formatNames[typ], k, got, straight-len(w))
				}
			}
		}
	}, "Gemv")
}

// TestGemvRuns: each run of rows is asked for a little ahead of what is read of it, and the ends of the runs are followed by what the
// caller reads next; a call reads no more than its share of time allows, and several calls give the same bits as one.
func TestGemvRuns(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		if l.Name != "avx512" {
			return
		}
		r := rand.New(rand.NewPCG(19, 1))
		for typ, kernels := range runsKernels {
			if !l.Runs[typ] {
				t.Logf("%s is not read in runs by this CPU", formatNames[typ])
				continue
			}
			for _, kernel := range kernels {
				testGemvRuns(t, l, r, typ, kernel)
			}
		}
	}, "Gemv")
}

func testGemvRuns(t *testing.T, l *Level, r *rand.Rand, typ Type, kernel func(*runs)) {
	for _, k := range []int{256, 512, 2560, 8960} {
		const rows, each = 48, 3 // of a run
		f := IntFormats[typ]
		rb := k / f.Block * f.Bytes
		turn := f.Bytes // what is asked for of a run at a time
		if f.Block == Block32 {
			turn *= 4
		}
		w, next, a, s := make([]byte, rows*rb), make([]byte, 16*each*rb), NewActs(1, k), NewScratch(k)
		var calls []runs
		gemv := gemvRunsAVX512(func(p *runs) { kernel(p); calls = append(calls, *p) }, f)
		s.Next = Next{&next[0], each * rb}
		x, got, want := make([]float32, k), make([]float32, rows), make([]float32, rows)
		randomActs(r, x)
		l.Quantize(a, 0, 1, 0, x)
		randomRows(r, f, w)
		gemv(got, w, a, 0, s)
		portable.Gemv[typ](want, w, a, 0, NewScratch(k))
		equalBits(t, fmt.Sprintf("%s K=%d in %d calls", formatNames[typ], k, len(calls)), got, want)
		lead, read := min(each*rb, askAhead), 0
		for i, p := range calls {
			begin := read*rb + lead - each*rb // behind the ends of the runs
			if want := at(w) + read*rb + lead; begin < 0 && (int(p.from) != want || int(p.left)*turn < -begin) || begin >= 0 && int(p.from) != at(next)+begin ||
				int(p.fromStep) != each*rb || int(p.thenStep) != each*rb {
				t.Errorf("%s K=%d: call %d of %d asks as %+v", formatNames[typ], k, i, len(calls), p)
			}
			read += p.rows
			end := read*rb + lead - each*rb
			want := at(next) + end
			if end < 0 {
				want = at(w) + read*rb + lead
			}
			if d := want - int(p.asked); d < 0 || d >= turn {
				t.Errorf("%s K=%d: call %d of %d ends %d bytes before what it should have asked for", formatNames[typ], k, i, len(calls), d)
			}
			if p.rows > 1 && 16*p.rows*rb > runsCall {
				t.Errorf("%s K=%d: a call reads %d bytes", formatNames[typ], k, 16*p.rows*rb)
			}
		}
		if read != each {
			t.Errorf("%s K=%d: %d rows of each run were read, want %d", formatNames[typ], k, read, each)
		}
	}
}

func at(b []byte) int { return int(uintptr(unsafe.Pointer(&b[0]))) }

func testFetchAVX2(t *testing.T, formats map[Type]func(*gemvArgsAVX2)) {
	for typ, rows16 := range formats {
		for _, k := range []int{512, 2560, 8960} {
			f := IntFormats[typ]
			groups := k / ActBlock
			w, next, x, s := make([]byte, 16*groups*f.Bytes), make([]byte, 1<<20), make([]int8, k), NewScratch(k)
			args := gemvArgsAVX2{w: &w[0], rows: 16, blocks: groups, q: &x[0], sums: &s.sums[0], stride: 4 * groups, scales: unsafe.Pointer(&s.sums[16*groups])}
			ahead := func(from []byte) int {
				s.ahead(w, leftAVX2(f, groups), leadAVX2)
				args.fetch = s.fetch
				rows16(&args)
				return int(args.ahead) - int(uintptr(unsafe.Pointer(&from[0])))
			}
			straight := ahead(w)
			if straight < len(w) {
				t.Errorf("%s K=%d: %d bytes were asked for from the rows on, which hold %d", formatNames[typ], k, straight, len(w))
			}
			s.Next = Next{At: &next[0]}
			if got := ahead(next); got != straight-len(w) {
				t.Errorf("%s K=%d: %d bytes of what is read next were asked for, want %d", formatNames[typ], k, got, straight-len(w))
			}
		}
	}
}
