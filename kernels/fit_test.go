package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// fitValues fills x with what a row of weights may hold: normal values of any size, zeros of both signs, runs of one value, a single spike,
// halves of a step and what is just below them.
func fitValues(r *rand.Rand, x []float32) {
	scale := float32(math.Ldexp(1, r.IntN(40)-20))
	kind := r.IntN(8)
	for i := range x {
		v := float32(r.NormFloat64())
		switch kind {
		case 0:
			v = 0
		case 1:
			v = float32(r.IntN(3) - 1)
		case 2:
			v = float32(r.IntN(64)-32) / 2
		case 3:
			v *= 1e-30
		case 4:
			v = 1e-42 * float32(r.IntN(9)-4)
		case 5:
			if r.IntN(10) > 0 {
				v = 0
			}
		case 6: // just below a half, in blocks of 32 against a scale of 1
			if scale, v = 1, math.Nextafter32(float32(r.IntN(4))+0.5, 0); i%32 == 0 {
				v = 127
			}
		}
		if x[i] = v * scale; x[i] == 0 && r.IntN(2) == 0 {
			x[i] = float32(math.Copysign(0, -1))
		}
	}
}

// fitCase is values and weights of eight groups of n.
func fitCase(r *rand.Rand, n, off int) (x, w []float32) {
	x, _ = guarded(n*FitLanes, off, float32(0))
	w, _ = guarded(n*FitLanes, off, float32(0))
	for g := range FitLanes {
		group := make([]float32, n)
		fitValues(r, group)
		none := r.IntN(10) == 0
		for i, v := range group {
			x[i*FitLanes+g] = v
			if w[i*FitLanes+g] = r.Float32(); none || r.IntN(20) == 0 {
				w[i*FitLanes+g] = 0
			}
		}
	}
	return x, w
}

func TestFits(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(5, 6))
		for run := range 3000 {
			n := []int{16, 32, 1, 2, 3, 8, 31}[run%7]
			x, w := fitCase(r, n, run%5)
			same := func(what string, do func(l *Level, codes []uint8) []float32) {
				t.Helper()
				want, _ := guarded(n*FitLanes, run%9, uint8(0))
				got, check := guarded(n*FitLanes, run%9, uint8(0))
				for i := range want {
					want[i] = uint8(r.Uint32())
				}
				copy(got, want)
				a, b := do(&portable, want), do(l, got)
				equalBits(t, what, b, a)
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("%s, run %d: code of value %d in group %d is %d, want %d", what, run, i/FitLanes, i%FitLanes, got[i], want[i])
					}
				}
				check(t, what)
			}
			for _, f := range []AffineFit{{Top: 15, First: -1, Step: 0.1, Steps: 20}, {Top: 31, First: -0.9, Step: 0.05, Steps: 36}, {Top: 3, First: -0.5, Step: 0.1, Steps: 15, Absolute: true}} {
				same(fmt.Sprintf("FitAffine to %v", f.Top), func(l *Level, codes []uint8) []float32 {
					f := f
					l.FitAffine(&f, codes, x, w)
					return append(f.D[:], f.Low[:]...)
				})
			}
			for _, half := range []int{4, 8, 16, 32} {
				same(fmt.Sprintf("FitSymmetric by %d", half), func(l *Level, codes []uint8) []float32 {
					var d [FitLanes]float32
					l.FitSymmetric(&d, codes, x, w, half)
					return d[:]
				})
			}
			var low, scale [FitLanes]float32
			for g := range FitLanes {
				low[g] = float32(r.NormFloat64())
				if r.IntN(3) > 0 {
					scale[g] = float32(r.NormFloat64() * math.Ldexp(1, r.IntN(60)-30))
				}
			}
			same("RoundCodes", func(l *Level, codes []uint8) []float32 { l.RoundCodes(codes, x, &low, &scale, -32, 31); return nil })
			same("RoundCodes from 0", func(l *Level, codes []uint8) []float32 { l.RoundCodes(codes, x, &low, &scale, 0, 15); return nil })
		}
	}, "FitAffine", "FitSymmetric", "RoundCodes")
}

func TestBlockCodes(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(7, 8))
		for run := range 3000 {
			blocks := run % 5
			if run == 7 {
				blocks = 2500
			}
			x, _ := guarded(32*blocks, run%5, float32(0))
			for b := range blocks {
				fitValues(r, x[32*b:32*b+32])
			}
			same := func(what string, do func(l *Level, codes []uint8, d, m []float32)) {
				t.Helper()
				want, wantD, wantM := make([]uint8, 32*blocks), make([]float32, blocks), make([]float32, blocks)
				got, check := guarded(32*blocks, run%9, uint8(0))
				d, checkD := guarded(blocks, run%3, float32(0))
				m, checkM := guarded(blocks, run%3, float32(0))
				do(&portable, want, wantD, wantM)
				do(l, got, d, m)
				equalBits(t, what, d, wantD)
				equalBits(t, what, m, wantM)
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("%s, run %d: code %d of block %d is %d, want %d", what, run, i%32, i/32, got[i], want[i])
					}
				}
				check(t, what)
				checkD(t, what)
				checkM(t, what)
			}
			same("PeakCodes 4 bits", func(l *Level, codes []uint8, d, m []float32) { l.PeakCodes(codes, d, x, -8, 8.5, 15) })
			same("PeakCodes 5 bits", func(l *Level, codes []uint8, d, m []float32) { l.PeakCodes(codes, d, x, -16, 16.5, 31) })
			same("PeakCodes8", func(l *Level, codes []uint8, d, m []float32) { l.PeakCodes8(codes, d, x) })
			same("SpanCodes 4 bits", func(l *Level, codes []uint8, d, m []float32) { l.SpanCodes(codes, d, m, x, 15) })
			same("SpanCodes 5 bits", func(l *Level, codes []uint8, d, m []float32) { l.SpanCodes(codes, d, m, x, 31) })
		}
	}, "PeakCodes", "PeakCodes8", "SpanCodes")
}
