package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// bf16Inputs are values of every kind that rounding meets.
func bf16Inputs(r *rand.Rand, n int) []float32 {
	special := []uint32{0, 1 << 31, 1, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fffffff, 0xffffffff, 0x7f800001, 0x7f7fffff,
		0x00007fff, 0x00008000, 0x00018000, 0x3f808000, 0x3f818000, 0x3f808001, 0x7f7f8000}
	x := make([]float32, n)
	for i := range x {
		x[i] = math.Float32frombits(r.Uint32())
		if r.IntN(3) == 0 {
			x[i] = math.Float32frombits(special[r.IntN(len(special))])
		}
	}
	return x
}

func TestBF16Packing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	eachLevel(t, func(t *testing.T, l *Level) {
		for n := range 300 {
			x, y := bf16Inputs(r, n), bf16Inputs(r, n)
			got, want := make([]uint16, 2*n+1), make([]uint16, 2*n+1)
			l.BF16Row(got, x)
			bf16Row(want, x)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("BF16Row of %d: got %04x, want %04x", n, got, want)
			}
			l.BF16Pairs(got, x, y)
			bf16Pairs(want, x, y)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("BF16Pairs of %d: got %04x, want %04x", n, got, want)
			}
		}
	})
}

func TestBF16RoundsToNearestEven(t *testing.T) {
	for x, want := range map[uint32]uint16{0x3f808000: 0x3f80, 0x3f808001: 0x3f81, 0x3f818000: 0x3f82, 0x7f7fffff: 0x7f80, 0x7f800001: 0x7fc0, 0x80000001: 0x8000} {
		if got := bf16(math.Float32frombits(x)); got != want {
			t.Errorf("%08x: got %04x, want %04x", x, got, want)
		}
	}
}

// GemmBF16 has an order of its own, so it is held to the exact product of the rounded inputs, within what summing k
// products in f32 may lose, and must give the same bits wherever a row stands and however the rows are split.
func TestGemmBF16(t *testing.T) {
	units := 0
	eachLevel(t, func(t *testing.T, l *Level) {
		if l.GemmBF16 == nil {
			if l.BF16Unit != "" {
				t.Fatal("a unit without a product")
			}
			t.Skipf("%s has no bf16 unit", l.Name)
		}
		units++
		r := rand.New(rand.NewPCG(7, 8))
		for _, k := range []int{32, 64, 512, 544, 1056} {
			for _, m := range []int{1, 2, 13, 14, 15, 16, 17, 31, 32, 33, 48, 63, 64, 100} {
				for _, n := range []int{1, 5, 16, 17, 31, 32} {
					gemmBF16Case(t, l, r, m, n, k, m%2 == 0)
				}
			}
		}
	})
	if units == 0 {
		t.Log("no level of this machine has a bf16 unit")
	}
}

func gemmBF16Case(t *testing.T, l *Level, r *rand.Rand, m, n, k int, acc bool) {
	t.Helper()
	lda, ldc := k+32, n+3
	a, b := make([]uint16, (m+15)&^15*lda), make([]uint16, k*BF16Cols)
	for i := range a {
		a[i] = bf16(float32(r.NormFloat64()))
	}
	for i := range b {
		b[i] = bf16(float32(r.NormFloat64()))
	}
	c := make([]float32, m*ldc)
	for i := range c {
		c[i] = float32(r.NormFloat64())
	}
	was := append([]float32(nil), c...)
	l.GemmBF16(c, ldc, a, lda, b, m, n, k, acc)
	value := func(x uint16) float64 { return float64(math.Float32frombits(uint32(x) << 16)) }
	for i := range m {
		for j := range ldc {
			got := c[i*ldc+j]
			if j >= n {
				if i < m-1 && got != was[i*ldc+j] {
					t.Fatalf("%dx%dx%d: wrote column %d of row %d", m, n, k, j, i)
				}
				continue
			}
			want, size := 0.0, 0.0
			if acc {
				want, size = float64(was[i*ldc+j]), math.Abs(float64(was[i*ldc+j]))
			}
			for p := range k {
				x := value(a[i*lda+p]) * value(b[p/2*2*BF16Cols+2*j+p%2])
				want += x
				size += math.Abs(x)
			}
			if d := math.Abs(float64(got) - want); !(d <= 1e-6*size) {
				t.Fatalf("%dx%dx%d acc %v: c[%d,%d] is %v, want %v (off by %.3g of the sum of magnitudes)", m, n, k, acc, i, j, got, want, d/size)
			}
		}
	}
	if m > 1 { // any split of the rows: the same bits
		again := append([]float32(nil), was...)
		cut := m / 3 &^ 15
		if cut == 0 {
			return
		}
		l.GemmBF16(again, ldc, a, lda, b, cut, n, k, acc)
		l.GemmBF16(again[cut*ldc:], ldc, a[cut*lda:], lda, b, m-cut, n, k, acc)
		for i := range c {
			if math.Float32bits(c[i]) != math.Float32bits(again[i]) {
				t.Fatalf("%dx%dx%d: split after %d rows, element %d is %v, else %v", m, n, k, cut, i, again[i], c[i])
			}
		}
	}
}

func BenchmarkGemmBF16(b *testing.B) {
	for _, l := range Levels() {
		if l.GemmBF16 == nil {
			continue
		}
		const m, k = 256, 1536
		b.Run(l.BF16Unit, func(b *testing.B) {
			x, w, c := make([]uint16, m*(k+32)), make([]uint16, k*BF16Cols), make([]float32, m*BF16Cols)
			for b.Loop() {
				l.GemmBF16(c, BF16Cols, x, k+32, w, m, BF16Cols, k, false)
			}
			b.ReportMetric(2*m*k*BF16Cols*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
	}
}
