//go:build freeorder && !purego

package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestGemvFreeOrder: close to portable, which is all that a free order promises.
func TestGemvFreeOrder(t *testing.T) {
	l, err := ByName("avx512")
	if err != nil {
		t.Skip(err)
	}
	for _, typ := range []Type{Q8_0, Q4_1, Q5_0} {
		f := IntFormats[typ]
		r := rand.New(rand.NewPCG(16, uint64(typ)))
		for k := 32; k <= 1120; k += 32 {
			const rows = 5
			rb := k / 32 * f.Bytes
			w, x, a, s := fenced(t, rows*rb), make([]float32, k), NewActs(2, k), NewScratch(k)
			randomRows(r, f, w)
			fillNormal(r, x, 1)
			l.Quantize(a, 1, 2, 0, x)
			got, want := make([]float32, rows), make([]float32, rows)
			l.Gemv[typ](got, w, a, 1, s)
			portable.Gemv[typ](want, w, a, 1, s)
			// the sum of |terms| bounds what the order can change
			for i := range want {
				portable.Codes[typ](s.q, s.sc, s.mn, w[i*rb:(i+1)*rb])
				size := 0.0
				for j, c := range s.q[:k] {
					size += math.Abs(float64(s.sc[j/32]) * float64(c) * float64(a.Q[k+j]) * float64(a.D[k/32+j/32]))
					if f.HasMin {
						size += math.Abs(float64(s.mn[j/32]) * float64(x[j]))
					}
				}
				if e := math.Abs(float64(got[i] - want[i])); e > size*1e-6 {
					t.Fatalf("%s k=%d row %d: %g, portable %g", formatNames[typ], k, i, got[i], want[i])
				}
			}
		}
	}
}
