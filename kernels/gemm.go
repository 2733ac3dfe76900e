package kernels

// gemmF32 is the specification of Level.GemmF32.
func gemmF32(c []float32, ldc int, a []float32, sai, sap int, b []float32, ldb int, m, n, k int, acc bool) {
	for i := 0; i < m; i++ {
		row := c[i*ldc : i*ldc+n]
		if !acc {
			clear(row)
		}
		for p := 0; p < k; p++ {
			x := a[i*sai+p*sap]
			for j, y := range b[p*ldb : p*ldb+n] {
				row[j] = FMA32(x, y, row[j])
			}
		}
	}
}

func transpose(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	for i := 0; i < rows; i++ {
		for j, v := range src[i*lds : i*lds+cols] {
			dst[j*ldd+i] = v
		}
	}
}
