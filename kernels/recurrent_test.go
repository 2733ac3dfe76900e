package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestScan(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(21, 21))
		for w := range 150 {
			for _, n := range []int{1, 2, 16, 33} {
				for _, rows := range []int{1, n} {
					what := fmt.Sprintf("%d channels, %d values, %d rows of decay", w, n, rows)
					y, checkY := guarded(w, r.IntN(16), float32(7))
					s, checkS := guarded(n*w, r.IntN(16), float32(7))
					decay, checkD := guarded(rows*w, r.IntN(16), float32(7))
					x, checkX := guarded(w, r.IntN(16), float32(7))
					b, _ := guarded(n, r.IntN(16), float32(math.NaN()))
					c, _ := guarded(n, r.IntN(16), float32(math.NaN()))
					for _, v := range [][]float32{y, s, decay, x, b, c} {
						fillKind(r, v, (w+n)%3)
					}
					wantY, wantS := make([]float32, w), append([]float32(nil), s...)
					scan(wantY, wantS, decay, x, b, c)
					l.Scan(y, s, decay, x, b, c)
					equalOrNaN(t, what+", y", y, wantY)
					equalOrNaN(t, what+", states", s, wantS)
					for _, check := range []func(*testing.T, string){checkY, checkS, checkD, checkX} {
						check(t, what)
					}
				}
			}
		}
	}, "Scan")
}

// The portable scan against its definition, one token after another.
func TestScanValues(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 22))
	const n, w = 5, 3
	s, decay, x, b, c, y := make([]float32, n*w), make([]float32, n*w), make([]float32, w), make([]float32, n), make([]float32, n), make([]float32, w)
	var state [n][w]float64
	for token := range 20 {
		for _, v := range [][]float32{decay, x, b, c} {
			fillNormal(r, v, 0.5)
		}
		portable.Scan(y, s, decay, x, b, c)
		for j := range w {
			want := 0.0
			for i := range n {
				state[i][j] = state[i][j]*float64(decay[i*w+j]) + float64(b[i])*float64(x[j])
				want += float64(c[i]) * state[i][j]
			}
			if math.Abs(float64(y[j])-want) > 1e-5 {
				t.Errorf("token %d, channel %d: %g, want %g", token, j, y[j], want)
			}
		}
	}
}

func TestScanSizes(t *testing.T) {
	for _, l := range Levels() {
		bad := func() (p any) {
			defer func() { p = recover() }()
			l.Scan(make([]float32, 8), make([]float32, 15), make([]float32, 8), make([]float32, 8), make([]float32, 2), make([]float32, 2))
			return nil
		}()
		if bad == nil {
			t.Errorf("%s: Scan of states of a wrong size does not panic", l.Name)
		}
	}
}

// A convolution of some tokens of a longer text, whose rows are wider than the channels computed.
func TestConv(t *testing.T) {
	for _, l := range Levels() {
		r := rand.New(rand.NewPCG(23, 23))
		for _, n := range []int{1, 7, 16, 100} {
			const steps, ldx, ldw = 4, 120, 130
			x, w, dst := make([]float32, steps*ldx), make([]float32, steps*ldw), make([]float32, n)
			fillNormal(r, x, 1)
			fillNormal(r, w, 1)
			fillNormal(r, dst, 1)
			l.Conv(dst, x, ldx, w, ldw, steps)
			for j := range dst {
				var want float32
				for i := range steps {
					want = FMA32(x[i*ldx+j], w[i*ldw+j], want)
				}
				if dst[j] != want {
					t.Fatalf("%s: channel %d of %d is %g, want %g", l.Name, j, n, dst[j], want)
				}
			}
		}
	}
}

func TestSoftplusValues(t *testing.T) {
	l := &portable
	var x, y, tmp [1]float32
	for v := -95.0; v <= 95; v += 0.137 {
		x[0] = float32(v)
		l.Softplus(y[:], x[:], tmp[:])
		want := math.Max(float64(x[0]), 0) + math.Log1p(math.Exp(-math.Abs(float64(x[0]))))
		if v < -87 {
			want = 0 // where Exp is
		}
		if math.Abs(float64(y[0])-want) > 4e-7*want {
			t.Errorf("softplus of %g is %g, want %g", x[0], y[0], want)
		}
		var up, down, dx [1]float32
		one := []float32{1}
		l.SoftplusBack(dx[:], one, x[:])
		if math.Abs(v) < 10 {
			const h = 0.01
			l.Softplus(up[:], []float32{x[0] + h}, tmp[:])
			l.Softplus(down[:], []float32{x[0] - h}, tmp[:])
			if slope := float64(up[0]-down[0]) / (2 * h); math.Abs(slope-float64(dx[0])) > 1e-4 {
				t.Errorf("the slope of softplus at %g is %g, its gradient %g", v, slope, dx[0])
			}
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for _, l := range Levels() {
		for _, n := range []int{16, 128} {
			b.Run(fmt.Sprintf("%s/%d", l.Name, n), func(b *testing.B) {
				const w = 64
				r := rand.New(rand.NewPCG(24, 24))
				y, s, decay, x, bb, c := make([]float32, w), make([]float32, n*w), make([]float32, w), make([]float32, w), make([]float32, n), make([]float32, n)
				for _, v := range [][]float32{x, bb, c} {
					fillNormal(r, v, 1)
				}
				for i := range decay {
					decay[i] = 0.9
				}
				for b.Loop() {
					l.Scan(y, s, decay, x, bb, c)
				}
				b.ReportMetric(float64(n*w)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gelem/s")
			})
		}
	}
}
