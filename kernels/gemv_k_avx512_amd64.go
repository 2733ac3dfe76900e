//go:build !purego

package kernels

import "unsafe"

//go:noescape
func gemvQ4_KAVX512(dst *float32, mask int, w *byte, stride int, q *int8, d, sx *float32, blocks int, fetch *fetch)

//go:noescape
func gemvSumsQ4_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ5_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)

//go:noescape
func gemvSumsQ6_KAVX512(sums *int32, scales, w *byte, x *int8, rows, blocks int, fetch *fetch) (next uintptr)

//go:noescape
func gemvChainKAVX512(dst *float32, mask int, sums *int32, scales *byte, d, sx *float32, blocks int, next uintptr)

//go:noescape
func gemvChainQ6_KAVX512(dst *float32, mask int, sums *int32, scales *byte, d *float32, sum16 *int32, blocks int, next uintptr)

// gemvKMinAVX512 makes the Gemv of Q4_K and Q5_K.
func gemvKMinAVX512(rows16 gemvSums, bytes int) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		b, g := a.K/Block256, a.K/32
		rb := b * bytes
		w = w[:len(dst)*rb]
		sums, scales := gemvScratchK(s, (b+1)/2, b)
		s.ahead(w, 64*g, leadAVX512)
		x, d, sx := &a.Packed[t*packedStride(a.K)], &a.D[t*g : t*g+g][0], &a.SX[t*g : t*g+g][0]
		for ; len(dst) > 0; dst, w = dst[min(16, len(dst)):], w[min(16*rb, len(w)):] {
			n := min(16, len(dst))
			next := rows16(sums, scales, &w[0], x, n, b, &s.fetch)
			gemvChainKAVX512(&dst[0], 1<<n-1, sums, scales, d, sx, b, next)
		}
	}
}

func gemvQ6_KAVX512(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	b, g := a.K/Block256, a.K/32
	rb := b * Q6_KBytes
	w = w[:len(dst)*rb]
	sums, scales := gemvScratchK(s, b, b)
	s.ahead(w, 64*2*g, leadAVX512)
	x, d, sum := &a.Q[t*a.K : t*a.K+a.K][0], &a.D[t*g : t*g+g][0], &a.Sum16[2*t*g : 2*t*g+2*g][0]
	for ; len(dst) > 0; dst, w = dst[min(16, len(dst)):], w[min(16*rb, len(w)):] {
		n := min(16, len(dst))
		next := gemvSumsQ6_KAVX512(sums, scales, &w[0], x, n, b, &s.fetch)
		gemvChainQ6_KAVX512(&dst[0], 1<<n-1, sums, scales, d, sum, b, next)
	}
}

// gemvScratchK splits s into sums [tiles, 16, 16] and scales [blocks, 80] dwords, both at cache lines.
func gemvScratchK(s *Scratch, tiles, blocks int) (sums *int32, scales *byte) {
	i := int(-uintptr(unsafe.Pointer(&s.sums[0]))%64) / 4
	_ = s.sums[i+256*tiles+80*blocks-1]
	return &s.sums[i], (*byte)(unsafe.Pointer(&s.sums[i+256*tiles]))
}

// gemvRowsAVX512 makes the Gemv of a format of super-blocks whose kernel takes 16 rows a block at a time.
func gemvRowsAVX512(rows16 func(dst *float32, mask int, w *byte, stride int, q *int8, d, sx *float32, blocks int, fetch *fetch), bytes int) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		b, g := a.K/Block256, a.K/32
		rb := b * bytes
		w = w[:len(dst)*rb]
		s.fetch = fetch{lead: uintptr(16*rb + leadAVX512), end: uintptr(unsafe.Pointer(unsafe.SliceData(w))) + uintptr(len(w))}
		if s.Next != nil {
			s.fetch.jump = uintptr(unsafe.Pointer(s.Next)) - s.fetch.end
		}
		q, d, sx := &a.Q[t*a.K : t*a.K+a.K][0], &a.D[t*g : t*g+g][0], &a.SX[t*g : t*g+g][0]
		if len(dst) < 16 {
			for r := range dst { // all lanes one row
				rows16(&dst[r], 1, &w[r*rb], 0, q, d, sx, b, &s.fetch)
			}
			return
		}
		for r := 0; r < len(dst); r += 16 {
			at := min(r, len(dst)-16) // the last tile may take rows of the one before again
			rows16(&dst[at], 0xffff, &w[at*rb], rb, q, d, sx, b, &s.fetch)
		}
	}
}
