//go:build !purego

package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestGemvFloatCores: the loops for AMD's cores and for others' give the same bits, whichever this CPU runs.
func TestGemvFloatCores(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		if l.Name != "avx512" {
			return
		}
		for typ, loops := range avx512Floats {
			for i, loop := range loops {
				other := *l
				loop.enter(&other, typ)
				r := rand.New(rand.NewPCG(13, uint64(typ)))
				for _, k := range []int{16, 80, 900} {
					w, x, got, want := make([]byte, 48*k*floatBytes(typ)), make([]float32, k), make([]float32, 48), make([]float32, 48)
					floatWeights(r, typ, w)
					fillNormal(r, x, 1)
					portable.GemvFloat[typ](want, w, x, nil)
					other.GemvFloat[typ](got, w, x, NewScratch(1024))
					equalBits(t, fmt.Sprintf("type %d k %d loop %d", typ, k, i), got, want)
				}
			}
		}
	}, "GemvFloat")
}
