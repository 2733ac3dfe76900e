package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// gemmCase runs one product on portable and on l, with guard bands around C and NaN in every element of A, B and C
// that is none of the product's business.
func gemmCase(t *testing.T, l *Level, r *rand.Rand, m, n, k, off int, rising, acc bool) {
	t.Helper()
	what := fmt.Sprintf("m %d n %d k %d offset %d rising %v acc %v", m, n, k, off, rising, acc)
	nan := float32(math.NaN())
	ldc, ldb := n+off%3, n+off%5
	sai, sap := k+off%2, 1
	if rising {
		sai, sap = 1, m+off%2
	}
	length := func(rows, stride, cols int) int {
		if rows == 0 {
			return 0
		}
		return (rows-1)*stride + cols
	}
	hull := func(size int) []float32 { s, _ := guarded(size, off, nan); return s }
	a, b := hull(length(m, sai, max(k-1, 0)*sap+1)), hull(length(k, ldb, n))
	for i := range m {
		for p := range k {
			a[i*sai+p*sap] = float32(r.NormFloat64())
		}
	}
	for p := range k {
		fillNormal(r, b[p*ldb:p*ldb+n], 1)
	}
	// The bands and the gaps between the rows of C hold 7: overwritten gaps show as a difference.
	c, check := guarded(length(m, ldc, n), off, float32(7))
	for i := range c {
		c[i] = 7
	}
	for i := range m {
		fillNormal(r, c[i*ldc:i*ldc+n], 1)
	}
	want := append([]float32(nil), c...)
	gemmF32(want, ldc, a, sai, sap, b, ldb, m, n, k, acc)
	l.GemmF32(c, ldc, a, sai, sap, b, ldb, m, n, k, acc)
	equalBits(t, what, c, want)
	check(t, what)
}

func TestGemmF32(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(1, 1))
		i := 0
		for _, m := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 27, 28, 29, 43} {
			for n := 0; n <= 70; n++ {
				for _, k := range []int{0, 1, 2, 3, 7, 16} {
					gemmCase(t, l, r, m, n, k, i%16, i%3 == 0, i%2 == 0)
					i += 1 + n%2
				}
			}
		}
		for k := range 300 {
			gemmCase(t, l, r, 1+k%15, 1+k%40, k, k%16, k%2 == 0, k%3 == 0)
		}
		gemmCase(t, l, r, 16, 33, 2*128+1, 0, false, false)
		gemmCase(t, l, r, 65, 97, 130, 5, true, true)
	}, "GemmF32")
}

func BenchmarkGemmF32(b *testing.B) {
	for _, l := range Levels()[1:] {
		for _, s := range []struct {
			name          string
			m, n, k       int
			packed, trans bool
		}{
			{"packed", 256, 32, 384, true, false}, {"packed", 256, 32, 1536, true, false},
			{"NN", 256, 384, 384, false, false}, {"NN", 256, 1024, 1024, false, false}, {"TN", 384, 384, 256, false, true},
		} {
			b.Run(fmt.Sprintf("%s/%s/%dx%dx%d", l.Name, s.name, s.m, s.n, s.k), func(b *testing.B) {
				x, y, c := make([]float32, s.m*s.k), make([]float32, s.k*s.n), make([]float32, s.m*s.n)
				sai, sap := s.k, 1
				if s.trans {
					sai, sap = 1, s.m
				}
				for b.Loop() {
					l.GemmF32(c, s.n, x, sai, sap, y, s.n, s.m, s.n, s.k, false)
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
