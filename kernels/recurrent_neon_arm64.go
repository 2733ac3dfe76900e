//go:build !purego

package kernels

// dst[i] = fma(x[i], y[i], dst[i]); n > 0, a multiple of 4
//
//go:noescape
func mulAdd128(dst, x, y *float32, n int)

// scanFrom's loop over i < n of 16 channels, n > 0; rows of s are lds values apart, those of decay ldd
//
//go:noescape
func scan16x128(y, s, decay, x, b, c *float32, n, lds, ldd int)

// the same of 4 channels
//
//go:noescape
func scan4x128(y, s, decay, x, b, c *float32, n, lds, ldd int)

func scanNEON(y, s, decay, x, b, c []float32) {
	ldd, w, j := scanStride(y, s, decay, x, b, c), len(y), 0
	if len(b) == 0 || w == 0 {
		clear(y)
		return
	}
	for ; j+16 <= w; j += 16 {
		scan16x128(&y[j], &s[j], &decay[j], &x[j], &b[0], &c[0], len(b), w, ldd)
	}
	for ; j+4 <= w; j += 4 {
		scan4x128(&y[j], &s[j], &decay[j], &x[j], &b[0], &c[0], len(b), w, ldd)
	}
	scanFrom(j, ldd, y, s, decay, x, b, c)
}
