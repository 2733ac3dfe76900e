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
			Q5_0: gemvSumsQ5_0AVX512, Q5_1: gemvSumsQ5_1AVX512, Q4_K: gemvSumsQ4_KAVX512, Q5_K: gemvSumsQ5_KAVX512, Q6_K: gemvSumsQ6_KAVX512} {
			for _, k := range []int{512, 2560, 8960} {
				f := IntFormats[typ]
				groups, blocks := k/f.Group, k/f.Block
				rb := blocks * f.Bytes
				w, next, x, s := make([]byte, 16*rb), make([]byte, 1<<20), make([]int8, packedStride(k)), NewScratch(k)
				sums, scales := gemvScratch(s, groups)
				at := func(b []byte) int { return int(uintptr(unsafe.Pointer(&b[0]))) }

				s.ahead(w, 64*groups, leadAVX512)
				straight := int(rows16(sums, scales, &w[0], &x[0], 16, blocks, &s.fetch)) - at(w)
				if want := 16*rb - 64*groups + int(s.fetch.lead); straight > want || straight < want-16*64 {
					t.Errorf("%s K=%d: %d bytes were asked for from the rows on, want about %d", formatNames[typ], k, straight, want)
				}
				s.Next = &next[0]
				s.ahead(w, 64*groups, leadAVX512)
				if got := int(rows16(sums, scales, &w[0], &x[0], 16, blocks, &s.fetch)) - at(next); got != straight-len(w) {
					t.Errorf("%s K=%d: %d bytes of what is read next were asked for, want %d", formatNames[typ], k, got, straight-len(w))
				}
			}
		}
	}, "Gemv")
}

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
			s.Next = &next[0]
			if got := ahead(next); got != straight-len(w) {
				t.Errorf("%s K=%d: %d bytes of what is read next were asked for, want %d", formatNames[typ], k, got, straight-len(w))
			}
		}
	}
}
