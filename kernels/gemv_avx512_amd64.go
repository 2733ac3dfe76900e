//go:build !purego

package kernels

import "unsafe"

// Gemv of this level works on tiles of 16 rows in two phases. Phase one reads the rows in file order, as the memory
// likes it, and leaves integer group sums and scales in scratch; phase two runs the 16 canonical chains in lanes.

//go:noescape
func gemvSumsQ8_0AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ4_0AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ4_1AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ5_0AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ5_1AVX512(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)

//go:noescape
func gemvChainAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, groups int, next uintptr, shift int)

//go:noescape
func gemvChainMinAVX512(dst *float32, mask int, sums *int32, scales *byte, d, sx *float32, groups int, next uintptr)

// leadAVX512 is how far ahead memory is asked for at least, in bytes.
const leadAVX512 = 8192

// gemvSums is phase one of a Gemv. next is the first byte not yet asked for.
type gemvSums func(sums *int32, scales, w *byte, x *int8, rows, groups int, fetch *fetch) (next uintptr)

// gemvPlainAVX512 makes the Gemv of a format of blocks of 32 with an f16 scale and codes stored with a bias of
// 1<<shift.
func gemvPlainAVX512(rows16 gemvSums, bytes, shift int) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		g := a.K / 32
		rb := g * bytes
		w = w[:len(dst)*rb]
		sums, scales := gemvScratch(s, g)
		s.ahead(w, 64*g, leadAVX512)
		x, d, sum := &a.Packed[t*packedStride(a.K)], &a.D[t*g : t*g+g][0], &a.Sum32[t*g : t*g+g][0]
		for ; len(dst) > 0; dst, w = dst[min(16, len(dst)):], w[min(16*rb, len(w)):] {
			n := min(16, len(dst))
			next := rows16(sums, scales, &w[0], x, n, g, &s.fetch)
			gemvChainAVX512(&dst[0], 1<<n-1, sums, scales, d, sum, g, next, shift)
		}
	}
}

// gemvMinAVX512 makes the Gemv of a format of blocks of 32 with an f16 scale and an f16 minimum.
func gemvMinAVX512(rows16 gemvSums, bytes int) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		g := a.K / 32
		rb := g * bytes
		w = w[:len(dst)*rb]
		sums, scales := gemvScratch(s, g)
		s.ahead(w, 64*g, leadAVX512)
		x, d, sx := &a.Packed[t*packedStride(a.K)], &a.D[t*g : t*g+g][0], &a.SX[t*g : t*g+g][0]
		for ; len(dst) > 0; dst, w = dst[min(16, len(dst)):], w[min(16*rb, len(w)):] {
			n := min(16, len(dst))
			next := rows16(sums, scales, &w[0], x, n, g, &s.fetch)
			gemvChainMinAVX512(&dst[0], 1<<n-1, sums, scales, d, sx, g, next)
		}
	}
}

// gemvScratch splits s into sums [groups/16, 16, 16] and scales [groups, 16] of at most a dword, groups rounded up to
// 16, both at cache lines.
func gemvScratch(s *Scratch, groups int) (sums *int32, scales *byte) {
	n := (groups + 15) / 16 * 256
	i := int(-uintptr(unsafe.Pointer(&s.sums[0]))%64) / 4
	_ = s.sums[i+2*n-1]
	return &s.sums[i], (*byte)(unsafe.Pointer(&s.sums[i+n]))
}
