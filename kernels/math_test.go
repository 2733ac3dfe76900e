package kernels

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestFMA32AgainstBigFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	gen := func() float32 {
		switch r.IntN(4) {
		case 0:
			return math.Float32frombits(r.Uint32())
		case 1:
			return float32(r.NormFloat64())
		case 2:
			return float32(r.IntN(1<<24)) * math.Float32frombits(uint32(100+r.IntN(60))<<23)
		}
		return math.Float32frombits(r.Uint32() & 0x807fffff) // denormal
	}
	for n := 0; n < 2_000_00; n++ {
		x, y, z := gen(), gen(), gen()
		if n%3 == 0 {
			z = -float32(x*y) + float32(r.IntN(3)-1)*math.Float32frombits(math.Float32bits(float32(x*y))&0x7f800000)/(1<<24)
		}
		ok := true
		for _, v := range []float32{x, y, z} {
			ok = ok && !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
		}
		if !ok {
			continue
		}
		p := new(big.Float).SetPrec(2000).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
		p.Add(p, big.NewFloat(float64(z)))
		want, _ := p.Float32()
		if got := FMA32(x, y, z); got != want {
			t.Fatalf("FMA32(%g, %g, %g) = %g, want %g", x, y, z, got, want)
		}
	}
}

func TestExp32(t *testing.T) {
	worst := 0.0
	for b := uint32(0); b < 1<<32-1<<12; b += 1 << 10 {
		x := math.Float32frombits(b)
		got := Exp32(x)
		switch {
		case x != x:
			if got == got {
				t.Fatalf("Exp32(NaN) = %g", got)
			}
		case x < expLo:
			if got != 0 {
				t.Fatalf("Exp32(%g) = %g, want exactly 0", x, got)
			}
		case x > expHi:
			if !math.IsInf(float64(got), 1) {
				t.Fatalf("Exp32(%g) = %g, want +Inf", x, got)
			}
		default:
			want := math.Exp(float64(x))
			if e := math.Abs(float64(got)/want-1) * (1 << 24); e > worst {
				worst = e
			}
		}
	}
	if worst > 2.5 {
		t.Errorf("Exp32 is off by %.2f half-ulp, want at most 2.5", worst)
	}
}

func TestFloat64Functions(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rel := func(name string, x, got, want, tol float64) {
		t.Helper()
		if math.Abs(got-want) > tol*math.Max(math.Abs(want), 1e-300) {
			t.Fatalf("%s(%g) = %.17g, want %.17g", name, x, got, want)
		}
	}
	for i := 0; i < 100000; i++ {
		x := r.NormFloat64() * 100
		rel("Exp", x, Exp(x), math.Exp(x), 1e-15)
		rel("Log", x, Log(math.Abs(x)), math.Log(math.Abs(x)), 4e-16+1e-16/math.Max(1e-12, math.Abs(math.Log(math.Abs(x)))))
		s, c := SinCos(x * 1000)
		if math.Abs(s-math.Sin(x*1000)) > 1e-12 || math.Abs(c-math.Cos(x*1000)) > 1e-12 {
			t.Fatalf("SinCos(%g) = %g, %g", x*1000, s, c)
		}
		if math.Abs(Tanh(x/50)-math.Tanh(x/50)) > 1e-14 {
			t.Fatalf("Tanh(%g) = %g, want %g", x/50, Tanh(x/50), math.Tanh(x/50))
		}
		b := math.Abs(x) + 0.1
		rel("Pow", b, Pow(b, 1.7), math.Pow(b, 1.7), 1e-14)
		if x > -30 && x < 30 { // 1+e^-x has digits of both
			if got, want := LogSigmoid(x), -math.Log1p(math.Exp(-x)); math.Abs(got-want) > 4e-16*(1+math.Abs(want)) {
				t.Fatalf("LogSigmoid(%g) = %.17g, want %.17g", x, got, want)
			}
		}
	}
	for _, x := range []float64{1e4, 800, 0, -800, -1e4} {
		if got, want := LogSigmoid(x), min(0, x); x != 0 && got != want || x == 0 && math.Abs(got+math.Ln2) > 1e-15 {
			t.Errorf("LogSigmoid(%g) = %g, want %g", x, got, want)
		}
	}
}
