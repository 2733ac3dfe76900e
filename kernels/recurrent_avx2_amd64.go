//go:build !purego

package kernels

// dst[i] = fma(x[i], y[i], dst[i]); n > 0, a multiple of 8
//
//go:noescape
func mulAdd256(dst, x, y *float32, n int)

// scanFrom's loop over i < n of 32 channels, n > 0; rows of s are lds values apart, those of decay ldd
//
//go:noescape
func scan32x256(y, s, decay, x, b, c *float32, n, lds, ldd int)

// the same of 8 channels
//
//go:noescape
func scan8x256(y, s, decay, x, b, c *float32, n, lds, ldd int)

func scanAVX2(y, s, decay, x, b, c []float32) {
	ldd, w, j := scanStride(y, s, decay, x, b, c), len(y), 0
	if len(b) == 0 || w == 0 {
		clear(y)
		return
	}
	for ; j+32 <= w; j += 32 {
		scan32x256(&y[j], &s[j], &decay[j], &x[j], &b[0], &c[0], len(b), w, ldd)
	}
	for ; j+8 <= w; j += 8 {
		scan8x256(&y[j], &s[j], &decay[j], &x[j], &b[0], &c[0], len(b), w, ldd)
	}
	scanFrom(j, ldd, y, s, decay, x, b, c)
}
