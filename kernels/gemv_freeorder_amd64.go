//go:build freeorder && !purego

package kernels

import (
	"math"
	"unsafe"
)

// With the build tag freeorder, the level avx512 sums Q8_0, Q4_1 and Q5_0 in whatever order is fastest. It exists to
// measure what the canonical order costs, and breaks the promise of equal bits: never ship it.

//go:noescape
func gemvFreeQ8_0(dst *float32, w *byte, x *int8, rec *float32, buf *int32, rows, groups, half int)

//go:noescape
func gemvFreeQ4_1(dst *float32, w *byte, x *int8, rec *float32, buf *int32, rows, groups, half int)

//go:noescape
func gemvFreeQ5_0(dst *float32, w *byte, x *int8, rec *float32, buf *int32, rows, groups, half int)

func gemvFreeOrder(l *Level) {
	for typ, f := range map[Type]struct {
		run  func(dst *float32, w *byte, x *int8, rec *float32, buf *int32, rows, groups, half int)
		bias int32
	}{Q8_0: {gemvFreeQ8_0, 128}, Q4_1: {gemvFreeQ4_1, 0}, Q5_0: {gemvFreeQ5_0, 16}} {
		format := IntFormats[typ]
		l.Runs[typ] = false
		l.Gemv[typ] = func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
			g := a.K / 32
			w = w[:len(dst)*g*format.Bytes]
			if len(dst) == 0 {
				return
			}
			// d and start values (or sx) in the order of the sums, zero where there is no group
			n := (g + 15) / 16 * 32
			all := s.sums[int(-uintptr(unsafe.Pointer(&s.sums[0]))%64)/4:][:3*n]
			clear(all)
			rec, buf := all[:n], all[n:]
			for i := 0; i < g; i++ {
				e := i/16*32 + i&1*8 + i&2*2 + i/4%4
				rec[e] = int32(math.Float32bits(a.D[t*g+i]))
				rec[e+16] = -f.bias * a.Sum32[t*g+i]
				if format.HasMin {
					rec[e+16] = int32(math.Float32bits(a.SX[t*g+i]))
				}
			}
			f.run(&dst[0], &w[0], &a.Packed[t*packedStride(a.K)], (*float32)(unsafe.Pointer(&rec[0])), &buf[0], len(dst), g, 4*n)
		}
	}
}
