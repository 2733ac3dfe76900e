package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestTranspose(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(2, 2))
		sizes := []int{0, 1, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 63, 64}
		run := func(rows, cols, off int) {
			t.Helper()
			what := fmt.Sprintf("rows %d cols %d offset %d", rows, cols, off)
			lds, ldd := cols+off%3, rows+off%4
			src, _ := guarded(max(0, (rows-1)*lds+cols), off, float32(0))
			fillNormal(r, src, 1)
			dst, check := guarded(max(0, (cols-1)*ldd+rows), off, float32(7))
			for i := range dst {
				dst[i] = 7 // the gaps between rows must stay
			}
			want := append([]float32(nil), dst...)
			transpose(want, ldd, src, lds, rows, cols)
			l.Transpose(dst, ldd, src, lds, rows, cols)
			equalBits(t, what, dst, want)
			check(t, what)
		}
		for i, rows := range sizes {
			for j, cols := range sizes {
				run(rows, cols, (i*7+j)%16)
			}
		}
		for n := range 300 {
			run(n%40, n, n%16)
		}
		run(32, 3*4096+11, 0)
	}, "Transpose")
}

func BenchmarkTranspose(b *testing.B) {
	for _, l := range Levels() {
		b.Run(l.Name+"/32x1536", func(b *testing.B) {
			dst, src := make([]float32, 32*1536), make([]float32, 32*1536)
			for b.Loop() {
				l.Transpose(dst, 32, src, 1536, 32, 1536)
			}
			b.ReportMetric(float64(len(dst))*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gelem/s")
		})
	}
}
