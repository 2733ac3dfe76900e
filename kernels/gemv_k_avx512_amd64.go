//go:build !purego

package kernels

import "unsafe"

//go:noescape
func gemvQ4_KAVX512(dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, asks *asks) (ahead uintptr)

//go:noescape
func gemvQ5_KAVX512(dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, asks *asks) (ahead uintptr)

//go:noescape
func gemvQ6_KAVX512(dst *float32, step int, w *byte, stride int, q *int8, d, sum16 *float32, blocks int, asks *asks) (ahead uintptr)

// gemvRuns is the Gemv of 16 rows, stride bytes apart, a super-block of each at a time: dst[i*step] = row i.
type gemvRuns func(dst *float32, step int, w *byte, stride int, q *int8, d, sx *float32, blocks int, asks *asks) (ahead uintptr)

// askAhead is about how many bytes of each of 16 rows are asked for ahead.
const askAhead = 1024

// gemvRunsAVX512 makes the Gemv of a format of super-blocks. It reads 16 runs of rows at once, for the prefetchers of
// the CPU follow a run in each page of 4 KiB, and one alone reaches less than the memory gives.
func gemvRunsAVX512(rows16 gemvRuns, f *IntFormat) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		b, g, bytes := a.K/Block256, a.K/32, f.Bytes
		rb := b * bytes
		w = w[:len(dst)*rb]
		q, d, sx := &a.Q[t*a.K : t*a.K+a.K][0], &a.D[t*g : t*g+g][0], &a.SX[t*g : t*g+g][0]
		if f.Group == 16 {
			sx = (*float32)(unsafe.Pointer(&a.Sum16[2*t*g : 2*t*g+2*g][0]))
		}
		n := len(dst) / 16 // rows of a run
		run := n * rb
		ahead := min(n*b, (askAhead+bytes-1)/bytes)
		at := uintptr(unsafe.Pointer(unsafe.SliceData(w)))
		next, nextStep := at+uintptr(len(w)), uintptr(run)
		if s.Next.At != nil {
			next, nextStep = uintptr(unsafe.Pointer(s.Next.At)), uintptr(s.Next.Step)
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
