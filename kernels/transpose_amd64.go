//go:build !purego

package kernels

// transpose256 is Level.Transpose by bands of 8 rows.
func transpose256(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	transposeBands(dst, ldd, src, lds, rows, cols, 8, transposeRows256)
}

// transpose512 is Level.Transpose by bands of 16 rows, then of 8.
func transpose512(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	whole := rows &^ 15
	transposeBands(dst, ldd, src, lds, whole, cols, 16, transposeRows512)
	if whole < rows && cols > 0 {
		transpose256(dst[whole:], ldd, src[whole*lds:], lds, rows-whole, cols)
	}
}

// transposeRows512 transposes 16 rows of 4*quads columns, quads > 0; strides in bytes.
//
//	for j < 4*quads, i < 16: dst[j,i] = src[i,j]
//
//go:noescape
func transposeRows512(dst *float32, ldd int, src *float32, lds int, quads int)

// transposeRows256 is transposeRows512 for 8 rows.
//
//go:noescape
func transposeRows256(dst *float32, ldd int, src *float32, lds int, quads int)
