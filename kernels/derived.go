package kernels

// Functions made of a level's own ones, with plain arithmetic between them. They have one body for all levels: its bits
// are those of Exp, Sum, SumSq and Dot, which are the same everywhere.

// SoftCap bounds x smoothly to (-cap, cap), in place: cap*tanh(x/cap).
//
//	e = exp(float32(x * (2/cap)));  x = float32(1 - 2/(1+e)) * cap
func (l *Level) SoftCap(x []float32, cap float32) {
	l.softCap(x, 1, cap)
}

// softCap is SoftCap of float32(x*scale), rounded once before it is capped.
func (l *Level) softCap(x []float32, scale, cap float32) {
	c := 2 / cap
	for i, v := range x {
		x[i] = float32(v*scale) * c
	}
	l.Exp(x, x)
	for i, e := range x {
		x[i] = (1 - 2/(1+e)) * cap
	}
}

// softCap1 is the specification of softCap: one score.
func softCap1(s, cap float32) float32 {
	e := Exp32(float32(s * (2 / cap)))
	return float32(float32(1-2/(1+e)) * cap)
}

// SoftCapBack turns the gradient of SoftCap's result y into that of its argument: dy *= 1 - (y/cap)².
func (l *Level) SoftCapBack(dy, y []float32, cap float32) {
	for i, v := range y {
		t := v / cap
		dy[i] *= 1 - float32(t*t)
	}
}

var ones = func() (o [512]float32) {
	for i := range o {
		o[i] = 1
	}
	return o
}()

// GELU is gelu(x) in the tanh form, as GeGLU computes it; dst may be x.
func (l *Level) GELU(dst, x []float32) {
	for len(x) > 0 {
		n := min(len(x), len(ones))
		l.GeGLU(dst[:n], x[:n], ones[:n])
		dst, x = dst[n:], x[n:]
	}
}

// clampedSwiGLU's constants are gpt-oss's.
const (
	clampLimit = 7
	clampSlope = 1.702
)

// ClampedSwiGLU is a*sigmoid(slope*a) * (b+1), a = min(gate, limit), b = up within ±limit; dst may be gate, tmp may be up.
//
//	SwiGLU of float32(slope*a) and float32((b+1)/slope)
func (l *Level) ClampedSwiGLU(dst, gate, up, tmp []float32) {
	for i, g := range gate {
		dst[i], tmp[i] = clampSlope*min(g, clampLimit), (min(max(up[i], -clampLimit), clampLimit)+1)/clampSlope
	}
	l.SwiGLU(dst, dst, tmp)
}

// ClampedSwiGLUBack writes (not adds) the gradients of gate and up; dgate and dup may be no source. tmp holds 2*len(dy).
func (l *Level) ClampedSwiGLUBack(dgate, dup, dy, gate, up, tmp []float32) {
	n := len(dy)
	a, b := tmp[:n], tmp[n:2*n]
	for i, g := range gate {
		a[i], b[i] = clampSlope*min(g, clampLimit), (min(max(up[i], -clampLimit), clampLimit)+1)/clampSlope
	}
	l.SwiGLUBack(dgate, dup, dy, a, b)
	for i, g := range gate {
		dgate[i] *= clampSlope
		if g >= clampLimit {
			dgate[i] = 0
		}
		dup[i] /= clampSlope
		if up[i] <= -clampLimit || up[i] >= clampLimit {
			dup[i] = 0
		}
	}
}

// geluExp gives dst = exp(-2u), u = sqrt(2/pi)*(x + 0.044715 x³), the exponential inside gelu.
func (l *Level) geluExp(dst, x []float32) {
	for i, v := range x {
		u := float32(v * (float32(geluC1*float32(v*v)) + geluC0))
		dst[i] = -2 * u
	}
	l.Exp(dst, dst)
}

// geluSlope is gelu(x) and its derivative from e = exp(-2u): with s = 1/(1+e), gelu = x*s,
//
//	gelu' = s + gelu*(1-s) * 2u',  u' = sqrt(2/pi)*(1 + 3*0.044715 x²)
func geluSlope(x, e float32) (gelu, slope float32) {
	s := 1 / (1 + e)
	gelu = float32(x * s)
	u := float32(3*geluC1*float32(x*x)) + geluC0
	return gelu, float32(float32(2*gelu*(1-s))*u) + s
}

// GeGLUBack writes (not adds) the gradients of GeGLU's gate and up; dgate and dup may be no source.
func (l *Level) GeGLUBack(dgate, dup, dy, gate, up []float32) {
	l.geluExp(dgate, gate)
	for i, e := range dgate {
		g, slope := geluSlope(gate[i], e)
		dup[i] = dy[i] * g
		dgate[i] = float32(dy[i]*up[i]) * slope
	}
}

// GELUBack writes (not adds) the gradient of GELU's argument; dx may be no source.
func (l *Level) GELUBack(dx, dy, x []float32) {
	l.geluExp(dx, x)
	for i, e := range dx {
		_, slope := geluSlope(x[i], e)
		dx[i] = dy[i] * slope
	}
}

// ReLU2 is relu(x)² (So et al., arXiv:2109.08668); dst may be x.
func (l *Level) ReLU2(dst, x []float32) {
	for i, v := range x {
		v = max(v, 0)
		dst[i] = v * v
	}
}

// ReLU2Back writes (not adds) the gradient of ReLU2's argument; dx may be dy.
func (l *Level) ReLU2Back(dx, dy, x []float32) {
	for i, v := range x {
		dx[i] = dy[i] * (2 * max(v, 0))
	}
}

// Clamp is x within ±bound; dst may be x.
func (l *Level) Clamp(dst, x []float32, bound float32) {
	for i, v := range x {
		dst[i] = min(max(v, -bound), bound)
	}
}

// ClampBack writes (not adds) the gradient of Clamp's argument: 0 beyond the bound; dx may be dy.
func (l *Level) ClampBack(dx, dy, x []float32, bound float32) {
	for i, v := range x {
		dx[i] = dy[i]
		if v < -bound || v > bound {
			dx[i] = 0
		}
	}
}

// center writes x - mean(x) and returns 1/sqrt(mean of its squares + eps).
func (l *Level) center(dst, x []float32, eps float32) float32 {
	mean := l.Sum(x) / float32(len(x))
	for i, v := range x {
		dst[i] = v - mean
	}
	return rmsScale(l.SumSq(dst), len(x), eps)
}

// LayerNorm is float32(float32((x-mean)*s) * w) + b, s = 1/sqrt(mean((x-mean)²)+eps); w nil = ones, b nil = zeros; dst may be x.
func (l *Level) LayerNorm(dst, x, w, b []float32, eps float32) {
	l.Scale(dst, l.center(dst, x, eps))
	if w != nil {
		l.Mul(dst, w)
	}
	if b != nil {
		l.Add(dst, b)
	}
}

// LayerNormBack adds the gradients of LayerNorm's x, w and b; w nil = ones. tmp holds 2*len(x).
//
//	h = (x-mean)*s, g = dy*w:  dx += s*(g - mean(g) - h*mean(g*h));  dw += dy*h;  db += dy
func (l *Level) LayerNormBack(dx, dw, db, dy, x, w []float32, eps float32, tmp []float32) {
	n := len(x)
	h, g := tmp[:n], tmp[n:2*n]
	s := l.center(h, x, eps)
	for i := range h {
		h[i] *= s
	}
	copy(g, dy)
	if w != nil {
		l.Mul(g, w)
	}
	mean, along := l.Sum(g)/float32(n), l.Dot(g, h)/float32(n)
	for i, v := range h {
		dx[i] += float32(s * (g[i] - mean - float32(v*along)))
		dw[i] += float32(dy[i] * v)
		db[i] += dy[i]
	}
}
