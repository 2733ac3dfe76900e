package kernels

import "math"

// tree16 sums 16 virtual lanes in the fixed order every level uses: 16 -> 8 -> 4 -> 2 -> 1, lane i with lane i+half.
func tree16(l *[16]float32) float32 {
	a0, a1, a2, a3 := l[0]+l[8], l[1]+l[9], l[2]+l[10], l[3]+l[11]
	a4, a5, a6, a7 := l[4]+l[12], l[5]+l[13], l[6]+l[14], l[7]+l[15]
	return ((a0 + a4) + (a2 + a6)) + ((a1 + a5) + (a3 + a7))
}

func sum(x []float32) float32 {
	var l [16]float32
	for i, v := range x {
		l[i%16] += v
	}
	return tree16(&l)
}

func sumSq(x []float32) float32 { return dot(x, x) }

func dot(x, y []float32) float32 {
	var l [16]float32
	for i, v := range x {
		l[i%16] = FMA32(v, y[i], l[i%16])
	}
	return tree16(&l)
}

func vexp(dst, x []float32) {
	for i, v := range x {
		dst[i] = Exp32(v)
	}
}

func softmaxExp(dst, x []float32, max float32) float32 {
	var l [16]float32
	for i, v := range x {
		e := Exp32(v - max)
		dst[i] = e
		l[i%16] += e
	}
	return tree16(&l)
}

// sigmoid32 is 1/(1+exp(-x)).
func sigmoid32(x float32) float32 { return 1 / (1 + Exp32(-x)) }

// swiGLU: dst = float32(gate*sigmoid(gate)) * up, with gate*sigmoid(gate) computed as gate/(1+exp(-gate)).
func swiGLU(dst, gate, up []float32) {
	for i, g := range gate {
		dst[i] = float32(g/(1+Exp32(-g))) * up[i]
	}
}

// swiGLUBack: s = sigmoid(g); dup = dy*(g*s); dgate = (dy*up) * fma(g*s, 1-s, s).
func swiGLUBack(dgate, dup, dy, gate, up []float32) {
	for i, g := range gate {
		s := sigmoid32(g)
		gs := float32(g * s)
		d, u := dy[i], up[i]
		dup[i] = float32(d * gs)
		dgate[i] = float32(d*u) * FMA32(gs, 1-s, s)
	}
}

// geluC0 and geluC1 are sqrt(2/pi) and 0.044715 sqrt(2/pi).
const geluC0, geluC1 float32 = 0.7978845608, 0.7978845608 * 0.044715

// geGLU: gelu with the tanh form, x*sigmoid(2u), u = sqrt(2/pi)*(x + 0.044715 x³) = x*fma(geluC1, x², geluC0), times up.
func geGLU(dst, gate, up []float32) {
	for i, x := range gate {
		u := float32(x * FMA32(geluC1, float32(x*x), geluC0))
		dst[i] = float32(x/(1+Exp32(float32(-2*u)))) * up[i]
	}
}

// rmsScale is 1/sqrt(mean(x²)+eps) of n values whose squares sum to ss.
func rmsScale(ss float32, n int, eps float32) float32 {
	ms := ss / float32(n)
	return 1 / float32(math.Sqrt(float64(float32(ms+eps))))
}

func rmsNorm(dst, x, w []float32, eps float32) {
	s := rmsScale(sumSq(x), len(x), eps)
	for i, v := range x {
		dst[i] = float32(v*s) * w[i]
	}
}

// rmsNormBack: y = x*s*w, s = (mean(x²)+eps)^-1/2.
//
//	c   = s*s*s/n * sum(dy*w*x)         (lane chain fma(dy*w, x))
//	dx += fma(-c, x, dy*w*s);  dw += dy*(x*s)
func rmsNormBack(dx, dw, dy, x, w []float32, eps float32) {
	s := rmsScale(sumSq(x), len(x), eps)
	var l [16]float32
	for i, v := range x {
		l[i%16] = FMA32(float32(dy[i]*w[i]), v, l[i%16])
	}
	rmsBackApply(dx, dw, dy, x, w, s, rmsBackScale(s, len(x), tree16(&l)))
}

// rmsBackApply is the last line of rmsNormBack.
func rmsBackApply(dx, dw, dy, x, w []float32, s, c float32) {
	for i, v := range x {
		g := float32(dy[i] * w[i])
		dw[i] += float32(dy[i] * float32(v*s))
		dx[i] += FMA32(-c, v, float32(g*s))
	}
}

// rmsBackScale is c of rmsNormBack.
func rmsBackScale(s float32, n int, dot float32) float32 {
	return float32(float32(float32(s*s)*s)/float32(n)) * dot
}

// rope rotates pairs: (a,b) -> (fma(a, cos, -(b*sin)), fma(a, sin, b*cos)). Pair i is (x[2i], x[2i+1]), or with neox
// (x[i], x[i+n]), n = len(cos) pairs.
func rope(x, cos, sin []float32, neox bool) {
	n := len(cos)
	if neox {
		ropeHalves(x[:n], x[n:], cos, sin)
		return
	}
	for i, c := range cos {
		x[2*i], x[2*i+1] = rotate(x[2*i], x[2*i+1], c, sin[i])
	}
}

// ropeHalves rotates the pairs (a[i], b[i]).
func ropeHalves(a, b, cos, sin []float32) {
	for i, c := range cos {
		a[i], b[i] = rotate(a[i], b[i], c, sin[i])
	}
}

func rotate(a, b, cos, sin float32) (float32, float32) {
	return FMA32(a, cos, -float32(b*sin)), FMA32(a, sin, float32(b*cos))
}

func add(dst, x []float32) {
	for i, v := range x {
		dst[i] += v
	}
}

func mul(dst, x []float32) {
	for i, v := range x {
		dst[i] *= v
	}
}

func axpy(dst []float32, a float32, x []float32) {
	for i, v := range x {
		dst[i] = FMA32(a, v, dst[i])
	}
}

func scale(dst []float32, a float32) {
	for i := range dst {
		dst[i] *= a
	}
}

func div(dst []float32, a float32) {
	for i := range dst {
		dst[i] /= a
	}
}

func vmax(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	if m == 0 {
		return 0 // not -0, whatever the order of comparison
	}
	return m
}

func allFinite(x []float32) bool {
	for _, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}

func f16ToF32(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = F16ToF32(h)
	}
}

func f32ToF16(dst []uint16, src []float32) {
	for i, v := range src {
		dst[i] = F32ToF16(v)
	}
}

func bf16ToF32(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = math.Float32frombits(uint32(h) << 16)
	}
}
