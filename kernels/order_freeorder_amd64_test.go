//go:build !purego && freeorder

package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"
)

var orders = map[Type][2]func([]float32, []byte, *Acts, int, *Scratch){
	Q8_0: {func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		gemvByAVX2(IntFormats[Q8_0], false, dst, w, a, t, s)
	}, freeGemvQ8_0},
	Q4_1: {func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		gemvByAVX2(IntFormats[Q4_1], false, dst, w, a, t, s)
	}, freeGemvQ4_1},
}

func orderInput(typ Type, k, rows int) (w []byte, a *Acts) {
	r := rand.New(rand.NewPCG(1, 1))
	f := IntFormats[typ]
	w = make([]byte, rows*k/f.Block*f.Bytes)
	unit := w[:16*k/f.Block*f.Bytes]
	for i := range unit {
		unit[i] = byte(r.Uint32())
	}
	for b := 0; b < len(unit); b += f.Bytes {
		unit[b+1] = 0x2c // scales and minima near 1/16
		if f.HasMin {
			unit[b+3] = 0x2c
		}
	}
	for o := len(unit); o < len(w); o += len(unit) {
		copy(w[o:], unit)
	}
	x := make([]float32, k)
	fillNormal(r, x, 1)
	a = NewActs(1, k)
	portable.Quantize(a, 0, 1, 0, x)
	return w, a
}

func TestFreeOrder(t *testing.T) {
	for typ, o := range orders {
		const k = 576
		w, a := orderInput(typ, k, 16)
		want, got := make([]float32, 16), make([]float32, 16)
		o[0](want, w, a, 0, NewScratch(k))
		o[1](got, w, a, 0, nil)
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-3 {
				t.Errorf("%s row %d: free order %v, canonical %v", formatNames[typ], i, got[i], want[i])
			}
		}
	}
}

// BenchmarkOrder times canonical and free order in turn on the same weights; canonical/free is the median ratio of
// times of neighbouring runs, the GB/s those of the fastest.
func BenchmarkOrder(b *testing.B) {
	for _, typ := range []Type{Q8_0, Q4_1} {
		for _, k := range []int{576, 896, 1536, 2048, 4864} {
			for _, size := range []int{512 << 10, 192 << 20} {
				b.Run(fmt.Sprintf("%s/K=%d/%dKiB", formatNames[typ], k, size>>10), func(b *testing.B) {
					f := IntFormats[typ]
					rb := k / f.Block * f.Bytes
					rows := size / rb &^ 15
					w, a := orderInput(typ, k, rows)
					s, dst := NewScratch(k), make([]float32, 16)
					var ratios []float64
					best := [2]time.Duration{1 << 62, 1 << 62}
					piece := min(rows, 512<<10/rb&^15) // runs of 512 KiB, so that a pair sees the same machine
					at := 0
					for b.Loop() {
						var took [2]time.Duration
						for i := range 2 {
							if at+piece > rows {
								at = 0
							}
							gemv, start := orders[typ][i], time.Now()
							for r := at; r < at+piece; r += 16 {
								gemv(dst, w[r*rb:(r+16)*rb], a, 0, s)
							}
							took[i] = time.Since(start)
							best[i] = min(best[i], took[i])
							at += piece
						}
						ratios = append(ratios, float64(took[0])/float64(took[1]))
					}
					sort.Float64s(ratios)
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(ratios[len(ratios)/2], "canonical/free")
					b.ReportMetric(float64(piece*rb)/float64(best[0]), "canonical-GB/s")
					b.ReportMetric(float64(piece*rb)/float64(best[1]), "free-GB/s")
				})
			}
		}
	}
}
