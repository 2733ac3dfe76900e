package kernels

import "math"

// Constants of the float32 exponential; the polynomial is the minimax fit of exp on [-ln2/2, ln2/2] used by Cephes
// expf. Every level uses these constants, in this order of operations.
const (
	expLo    float32 = -87   // below: exactly 0
	expHi    float32 = 88.37 // above: +Inf
	expLog2E float32 = 1.44269504088896341
	expLn2Hi float32 = 0.693359375
	expLn2Lo float32 = -2.12194440e-4
	expC0    float32 = 1.9875691500e-4
	expC1    float32 = 1.3981999507e-3
	expC2    float32 = 8.3334519073e-3
	expC3    float32 = 4.1665795894e-2
	expC4    float32 = 1.6666665459e-1
	expC5    float32 = 5.0000001201e-1
)

// Exp32 is the project's exponential, about 1 ulp:
//
//	x < -87: 0; x > 88.37: +Inf; NaN: NaN
//	n = roundHalfEven(float32(x*log2e)); r = fma(-n, ln2Hi, x); r = fma(-n, ln2Lo, r)
//	p = ((((c0 r + c1) r + c2) r + c3) r + c4) r + c5, each step one fma
//	y = fma(p, float32(r*r), r) + 1; result y * 2^n
func Exp32(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < expLo:
		return 0
	case x > expHi:
		return float32(math.Inf(1))
	}
	ni := roundEven(float32(x * expLog2E))
	n := float32(ni)
	r := FMA32(-n, expLn2Hi, x)
	r = FMA32(-n, expLn2Lo, r)
	p := FMA32(expC0, r, expC1)
	p = FMA32(p, r, expC2)
	p = FMA32(p, r, expC3)
	p = FMA32(p, r, expC4)
	p = FMA32(p, r, expC5)
	y := float32(FMA32(p, float32(r*r), r) + 1)
	return y * math.Float32frombits(uint32(ni+127)<<23)
}

// The float64 functions below serve tables, scalars and losses: a few ulp, and the same bits on every architecture
// because every step is an IEEE operation that cannot be fused (math.FMA is exact everywhere).

const (
	ln2Hi64 = 6.93147180369123816490e-01
	ln2Lo64 = 1.90821492927058770002e-10
	pio2Hi  = 1.57079632679489655800e+00
	pio2Lo  = 6.12323399573676603587e-17
)

// Exp is e^x in float64.
func Exp(x float64) float64 {
	switch {
	case x != x:
		return x
	case x < -745:
		return 0
	case x > 709.78:
		return math.Inf(1)
	}
	n := math.RoundToEven(float64(x * (1 / math.Ln2)))
	r := math.FMA(-n, ln2Hi64, x)
	r = math.FMA(-n, ln2Lo64, r)
	// Taylor to degree 13: the remainder at |r| <= 0.347 is under 2^-53.
	p := 1.0
	for i := 13; i >= 1; i-- {
		p = math.FMA(float64(r/float64(i)), p, 1)
	}
	return math.Ldexp(p, int(n))
}

// Log is the natural logarithm in float64; -Inf at 0, NaN below.
func Log(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = float64(m*2), e-1
	}
	// log m = 2 atanh(s), s = (m-1)/(m+1), |s| <= 0.1716
	s := (m - 1) / (m + 1)
	s2 := float64(s * s)
	p := 0.0
	for i := 21; i >= 3; i -= 2 {
		p = math.FMA(p, s2, 1/float64(i))
	}
	p = float64(float64(float64(2*s)*s2) * p)
	n := float64(e)
	return math.FMA(n, ln2Hi64, math.FMA(n, ln2Lo64, p)+float64(2*s))
}

// Pow is x^y in float64 for x > 0, by Exp(y*Log(x)): relative error about |y log x| ulp, enough for rotary tables.
func Pow(x, y float64) float64 { return Exp(float64(y * Log(x))) }

// SinCos is sin and cos of x in float64, |x| up to about 1e9.
func SinCos(x float64) (sin, cos float64) {
	n := math.RoundToEven(float64(x * (2 / math.Pi)))
	r := math.FMA(-n, pio2Hi, x)
	r = math.FMA(-n, pio2Lo, r)
	r2 := float64(r * r)
	s, c := 1.0, 1.0
	for i := 17; i >= 1; i -= 2 { // Taylor, |r| <= pi/4
		s = math.FMA(float64(-r2/float64((i+1)*(i+2))), s, 1)
		c = math.FMA(float64(-r2/float64(i*(i+1))), c, 1)
	}
	s = float64(s * r)
	switch int64(n) & 3 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}

// Tanh in float64.
func Tanh(x float64) float64 {
	if x < 0 {
		return -Tanh(-x)
	}
	if x > 22 {
		return 1
	}
	if x < 1e-3 {
		x2 := float64(x * x)
		return float64(x * math.FMA(x2, math.FMA(x2, 2.0/15, -1.0/3), 1))
	}
	e := Exp(float64(-2 * x))
	return (1 - e) / (1 + e)
}

// Sigmoid is 1/(1+exp(-x)) of any finite x.
func Sigmoid(x float64) float64 { return Exp(LogSigmoid(x)) }

// LogSigmoid is log(1/(1+exp(-x))) of any finite x, without overflow.
func LogSigmoid(x float64) float64 {
	if x < 0 {
		return x - Log(1+Exp(x))
	}
	return -Log(1 + Exp(-x))
}
