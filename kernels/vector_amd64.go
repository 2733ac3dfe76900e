//go:build !purego

package kernels

// vectorSpan bounds one assembly call (about 20 µs at most); a multiple of 16.
const vectorSpan = 1 << 14

// each1 runs f over dst in spans of whole multiples of lanes (a power of two) and tail over what is left.
func each1(dst []float32, lanes int, f func(dst *float32, n int), tail func(dst []float32)) {
	for len(dst) >= lanes && len(dst) > 0 {
		n := min(len(dst)&^(lanes-1), vectorSpan)
		f(&dst[0], n)
		dst = dst[n:]
	}
	if len(dst) > 0 {
		tail(dst)
	}
}

// each2 is each1 for two slices of one length.
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

// each3 is each1 for three slices of one length.
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
