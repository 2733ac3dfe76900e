//go:build (amd64 || arm64) && !purego

package kernels

import "unsafe"

// floatRows are one level's loops over 16 rows of a float format, from which its GemvFloat and UnpackFloat are built. They take
// steps > 0 runs of cols columns; w is row 0, the others stride bytes apart.
type floatRows struct {
	cols int

	// dot: dst[r] = one chain of fma(w[r,p], x[p]) over rising p from +0. What is read after these rows is prefetched meanwhile,
	// from next on, in order, as memory likes it.
	dot func(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)
	// unpack: dst[p*ldd/4 + r] = w[r,p]; ldd in bytes.
	unpack func(dst *float32, ldd int, w *byte, stride, steps int)
}

// enter makes the entries of l for a float format.
func (f floatRows) enter(l *Level, typ Type) {
	size := floatBytes(typ)
	l.GemvFloat[typ] = func(dst []float32, w []byte, x []float32, s *Scratch) {
		k := len(x)
		stride, whole := k*size, k-k%f.cols
		w = w[:len(dst)*stride]
		for r := 0; r < len(dst); r += 16 {
			n, from := min(16, len(dst)-r), 0
			if n == 16 && whole > 0 {
				at := &w[r*stride]
				next := uintptr(unsafe.Pointer(at)) + uintptr(16*stride)
				if r+16 >= len(dst) && s.Next.At != nil {
					next = uintptr(unsafe.Pointer(s.Next.At))
				}
				f.dot(&dst[r], at, stride, &x[0], whole/f.cols, next)
				from = whole
			}
			if from < k {
				floatRest(l, typ, dst[r:r+n], w[r*stride:], x, from, s)
			}
		}
	}
	l.UnpackFloat[typ] = func(dst []float32, ldd int, w []byte, stride, rows, k int) {
		if rows <= 0 || k <= 0 {
			return
		}
		_, _ = w[(rows-1)*stride+k*size-1], dst[(k-1)*ldd+rows-1]
		r, whole := 0, k-k%f.cols
		for ; whole > 0 && r+16 <= rows; r += 16 {
			f.unpack(&dst[r], 4*ldd, &w[r*stride], stride, whole/f.cols)
		}
		unpackFloatFrom(typ, dst, ldd, w, stride, 0, r, whole, k)
		unpackFloatFrom(typ, dst, ldd, w, stride, r, rows, 0, k)
	}
}

// floatRest goes on with the chains of up to 16 rows from column from on.
func floatRest(l *Level, typ Type, dst []float32, w []byte, x []float32, from int, s *Scratch) {
	k, size := len(x), floatBytes(typ)
	for p := from; p < k; p += floatPart {
		n := min(floatPart, k-p)
		for i := range dst {
			decodeFloat(typ, s.f[i*n:i*n+n], w[(i*k+p)*size:])
		}
		l.GemmF32(dst, 1, s.f, n, 1, x[p:], 1, len(dst), 1, n, p > 0)
	}
}
