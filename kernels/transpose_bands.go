//go:build (amd64 || arm64) && !purego

package kernels

// transposeSpan bounds the columns of one assembly call.
const transposeSpan = 4096

// transposeBands is Level.Transpose by bands of rows; f transposes one band of 4*quads columns, strides in bytes.
func transposeBands(dst []float32, ldd int, src []float32, lds int, rows, cols, band int,
	f func(dst *float32, ldd int, src *float32, lds int, quads int)) {
	if rows <= 0 || cols <= 0 {
		return
	}
	_, _ = dst[(cols-1)*ldd+rows-1], src[(rows-1)*lds+cols-1]
	i := 0
	for ; i+band <= rows; i += band {
		j := 0
		for j+4 <= cols {
			n := min(cols-j, transposeSpan) / 4
			f(&dst[j*ldd+i], 4*ldd, &src[i*lds+j], 4*lds, n)
			j += 4 * n
		}
		if j < cols {
			transpose(dst[j*ldd+i:], ldd, src[i*lds+j:], lds, band, cols-j)
		}
	}
	if i < rows {
		transpose(dst[i:], ldd, src[i*lds:], lds, rows-i, cols)
	}
}
