//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

//go:noescape
func gemvSumsIQ4_XSAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ2_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ3_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)

//go:noescape
func gemvChainIQ4_XSAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, blocks int, next uintptr)

//go:noescape
func gemvChainQ2_KAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, blocks int, next uintptr)

//go:noescape
func gemvChainQ3_KAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, blocks int, next uintptr)

// leadAVX512 is how far ahead memory is asked for at least, in bytes.
const leadAVX512 = 8192

// gemvSums is phase one of a Gemv on tiles of 16 rows: it reads the rows in file order and leaves integer group sums and scales in scratch.
// next is the first byte not yet asked for.
type gemvSums func(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)

// gemvChain is phase two: it runs the 16 canonical chains in lanes.
type gemvChain func(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum *int32, blocks int, next uintptr)

// gemvSmallAVX512 enters the Gemv of the formats that are read in order.
func gemvSmallAVX512(l *Level) {
	if cpuid.CPU.Supports(cpuid.BMI2) { // PDEP
		l.Gemv[IQ4_XS] = gemvSuperAVX512(gemvSumsIQ4_XSAVX512, gemvChainIQ4_XSAVX512, IntFormats[IQ4_XS], 8)
	}
	l.Gemv[Q2_K] = gemvSuperAVX512(gemvSumsQ2_KAVX512, gemvChainQ2_KAVX512, IntFormats[Q2_K], 8)
	l.Gemv[Q3_K] = gemvSuperAVX512(gemvSumsQ3_KAVX512, gemvChainQ3_KAVX512, IntFormats[Q3_K], 16)
}

// gemvSuperAVX512 makes the Gemv of a format of super-blocks, for each of which the chains ask for so many lines of memory to
// come. Sums of groups of 32 pair two blocks in 16 lanes and read Packed.
func gemvSuperAVX512(rows16 gemvSums, chain gemvChain, f *IntFormat, lines int) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		k, b := a.K, a.K/Block256
		rb, ng, tiles := b*f.Bytes, k/f.Group, b
		w = w[:len(dst)*rb]
		x, all := &a.Q[t*k : t*k+k][0], a.Sum16
		if f.Group == 32 {
			x, all, tiles = &a.Packed[t*packedStride(k)], a.Sum32, (b+1)/2
		}
		sums, scales := gemvScratchK(s, tiles, b)
		s.ahead(w, 64*lines*b, leadAVX512)
		d, sum := &a.D[t*(k/32) : (t+1)*(k/32)][0], &all[t*ng : t*ng+ng][0]
		for ; len(dst) > 0; dst, w = dst[min(16, len(dst)):], w[min(16*rb, len(w)):] {
			n := min(16, len(dst))
			next := rows16(sums, scales, &w[0], x, n, b, &s.fetch)
			chain(&dst[0], 1<<n-1, sums, scales, d, sum, b, next)
		}
	}
}

// gemvScratchK splits s into sums [tiles, 16, 16] and scales [blocks, 80] dwords, both at cache lines.
func gemvScratchK(s *Scratch, tiles, blocks int) (sums *int32, scales *byte) {
	i := int(-uintptr(unsafe.Pointer(&s.sums[0]))%64) / 4
	_ = s.sums[i+256*tiles+80*blocks-1]
	return &s.sums[i], (*byte)(unsafe.Pointer(&s.sums[i+256*tiles]))
}
