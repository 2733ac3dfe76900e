//go:build (amd64 || arm64) && !purego

package kernels

// vectorSpan bounds one assembly call (about 20 µs at most); a multiple of 16.
const vectorSpan = 1 << 14

// each2 runs f over two slices of one length in spans of whole multiples of lanes (a power of two) and tail over what
// is left.
func each2[D, X any](dst []D, x []X, lanes int, f func(dst *D, x *X, n int), tail func(dst []D, x []X)) {
	dst = dst[:len(x)]
	for len(x) >= lanes && len(x) > 0 {
		n := min(len(x)&^(lanes-1), vectorSpan)
		f(&dst[0], &x[0], n)
		dst, x = dst[n:], x[n:]
	}
	if len(x) > 0 {
		tail(dst, x)
	}
}

// each3 is each2 for three slices.
func each3(dst, x, y []float32, lanes int, f func(dst, x, y *float32, n int), tail func(dst, x, y []float32)) {
	dst, y = dst[:len(x)], y[:len(x)]
	for len(x) >= lanes && len(x) > 0 {
		n := min(len(x)&^(lanes-1), vectorSpan)
		f(&dst[0], &x[0], &y[0], n)
		dst, x, y = dst[n:], x[n:], y[n:]
	}
	if len(x) > 0 {
		tail(dst, x, y)
	}
}
