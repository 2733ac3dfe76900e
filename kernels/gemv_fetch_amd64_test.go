//go:build !purego

package kernels

import (
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
		for typ, rows16 := range map[Type]gemvSums{Q8_0: gemvSumsQ8_0AVX512, Q4_0: gemvSumsQ4_0AVX512, Q4_1: gemvSumsQ4_1AVX512,
			Q5_0: gemvSumsQ5_0AVX512, Q5_1: gemvSumsQ5_1AVX512} {
			for _, k := range []int{512, 2560, 8960} {
				f := IntFormats[typ]
				groups, blocks := k/f.Group, k/f.Block
				rb := blocks * f.Bytes
				w, next, x, s := make([]byte, 16*rb), make([]byte, 1<<20), make([]int8, packedStride(k)), NewScratch(k)
				sums, scales := gemvScratch(s, groups)

				s.ahead(w, 64*groups, leadAVX512)
				straight := int(rows16(sums, scales, &w[0], &x[0], 16, blocks, &s.fetch)) - at(w)
				if want := 16*rb - 64*groups + int(s.fetch.lead); straight > want || straight < want-16*64 {
					t.Errorf("%s K=%d: %d bytes were asked for from the rows on, want about %d", formatNames[typ], k, straight, want)
				}
				s.Next = Next{At: &next[0]}
				s.ahead(w, 64*groups, leadAVX512)
				if got := int(rows16(sums, scales, &w[0], &x[0], 16, blocks, &s.fetch)) - at(next); got != straight-len(w) {
					t.Errorf("%s K=%d: %d bytes of what is read next were asked for, want %d", formatNames[typ], k, got, straight-len(w))
				}
			}
		}
	}, "Gemv")
}

// TestGemvAsks: each run of rows is asked for a little ahead of what is read of it, and the ends of the runs are followed by what the
// caller reads next.
func TestGemvAsks(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		if l.Name != "avx512" {
			return
		}
		for typ, rows16 := range map[Type]gemvRuns{Q4_K: gemvQ4_KAVX512, Q5_K: gemvQ5_KAVX512, Q6_K: gemvQ6_KAVX512} {
			for _, k := range []int{256, 512, 2560, 8960} {
				const rows, runs = 48, 3 // of three rows
				f, b := IntFormats[typ], k/Block256
				rb := b * f.Bytes
				w, next, a, s := make([]byte, rows*rb), make([]byte, 16*runs*rb), NewActs(1, k), NewScratch(k)
				var got []asks
				var ends []int
				gemv := gemvRunsAVX512(func(dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, a *asks) uintptr {
					end := rows16(dst, step, w, stride, q, d, sx, blocks, a)
					got, ends = append(got, *a), append(ends, int(end))
					return end
				}, f)
				s.Next = Next{&next[0], runs * rb}
				gemv(make([]float32, rows), w, a, 0, s)
				lead := min(runs*b, (askAhead+f.Bytes-1)/f.Bytes) * f.Bytes
				if len(got) != runs || int(got[0].from) != at(w)+lead && int(got[0].from) != at(next) || int(got[0].step) != runs*rb {
					t.Fatalf("%s K=%d: asks begin as %+v", formatNames[typ], k, got)
				}
				for r, end := range ends {
					want := at(w) + (r+1)*rb + lead
					if past := (r+1)*rb + lead - runs*rb; past > 0 {
						want = at(next) + past
					}
					if end != want {
						t.Errorf("%s K=%d: after row %d of each run, memory is asked for up to %d, want %d", formatNames[typ], k, r, end-at(w), want-at(w))
					}
				}
			}
		}
	}, "Gemv")
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
