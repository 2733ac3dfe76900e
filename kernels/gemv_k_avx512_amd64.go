//go:build !purego

package kernels

import "unsafe"

//go:noescape
func gemvQ4_KAVX512(dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, asks *asks)

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

// gemvRuns is the Gemv of 16 rows, stride bytes apart, a super-block of each at a time: dst[i*step] = row i.
type gemvRuns func(dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, asks *asks)

// asks tells it what to ask memory for: with the first block of rows a block of 16 rows that begin at from, step bytes apart, then
// the next block of these; and after left blocks those that begin at then.
type asks struct {
	from, step, left, then, thenStep uintptr
}

// askAhead is about how many bytes of each of 16 rows are asked for ahead.
const askAhead = 512

// gemvRunsAVX512 makes the Gemv of a format of super-blocks. It reads 16 runs of rows at once, for the prefetchers of
// the CPU follow a run in each page of 4 KiB, and one alone reaches less than the memory gives.
func gemvRunsAVX512(rows16 gemvRuns, bytes int) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		b, g := a.K/Block256, a.K/32
		rb := b * bytes
		w = w[:len(dst)*rb]
		q, d, sx := &a.Q[t*a.K : t*a.K+a.K][0], &a.D[t*g : t*g+g][0], &a.SX[t*g : t*g+g][0]
		n := len(dst) / 16 // rows of a run
		run := n * rb
		ahead := min(n*b, (askAhead+bytes-1)/bytes)
		at := uintptr(unsafe.Pointer(unsafe.SliceData(w)))
		next, nextStep := at+uintptr(len(w)), uintptr(run)
		if s.Next != nil {
			next, nextStep = uintptr(unsafe.Pointer(s.Next)), uintptr(s.NextStep)
			if nextStep == 0 {
				nextStep = uintptr(ahead * bytes)
			}
		}
		for r := range n {
			s.asks = asks{from: at + uintptr(r*rb+ahead*bytes), step: uintptr(run), left: uintptr(1 + n*b - ahead - r*b), then: next, thenStep: nextStep}
			if past := r*b + ahead - n*b; past >= 0 {
				s.asks = asks{from: next + uintptr(past*bytes), step: nextStep}
			}
			rows16(&dst[r], n, &w[r*rb], run, q, d, sx, b, &s.asks)
		}
		if left := len(dst) % 16; left > 0 && n > 0 { // the last 16 rows, some of them again
			r := len(dst) - 16
			s.asks = asks{from: next, step: nextStep}
			rows16(&dst[r], 1, &w[r*rb], rb, q, d, sx, b, &s.asks)
		} else if left > 0 {
			for r := range dst { // all lanes one row
				s.asks = asks{from: next, step: nextStep}
				rows16(&dst[r], 0, &w[r*rb], 0, q, d, sx, b, &s.asks)
			}
		}
	}
}
