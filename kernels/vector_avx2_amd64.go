//go:build !purego

package kernels

import "math"

// avx2Vector fills l with this level's kernels of the vector group.
func avx2Vector(l *Level) {
	const lanes = 8
	l.F16ToF32 = func(dst []float32, src []uint16) { each2(dst, src, lanes, f16ToF32x256, f16ToF32) }
	l.F32ToF16 = func(dst []uint16, src []float32) { each2(dst, src, lanes, f32ToF16x256, f32ToF16) }
	l.BF16ToF32 = func(dst []float32, src []uint16) { each2(dst, src, lanes, bf16ToF32x256, bf16ToF32) }
	l.Exp = func(dst, x []float32) { each2(dst, x, lanes, exp256, vexp) }
	l.Add = func(dst, x []float32) { each2(dst, x, lanes, add256, add) }
	l.Mul = func(dst, x []float32) { each2(dst, x, lanes, mul256, mul) }
	l.MulAdd = func(dst, x, y []float32) { each3(dst, x, y, lanes, mulAdd256, mulAdd) }
	l.Scan = scanAVX2
	l.SwiGLU = func(dst, gate, up []float32) { each3(dst, gate, up, lanes, swiGLU256, swiGLU) }
	l.Axpy, l.Scale, l.Div, l.GeGLU, l.SwiGLUBack = axpyAVX2, scaleAVX2, divAVX2, geGLUAVX2, swiGLUBackAVX2
	l.RMSNorm, l.RMSNormBack, l.Rope = rmsNormAVX2, rmsNormBackAVX2, ropeAVX2
	l.Max, l.Sum, l.Dot, l.SoftmaxExp = maxAVX2, sumAVX2, dotAVX2, softmaxExpAVX2
	l.SumSq = func(x []float32) float32 { return dotAVX2(x, x) }
	l.AllFinite, l.AdamW = allFiniteAVX2, adamWAVX2
}

func axpyAVX2(dst []float32, a float32, x []float32) {
	dst = dst[:len(x)]
	for len(x) >= 8 {
		n := min(len(x)&^7, vectorSpan)
		axpy256(&dst[0], &x[0], n, a)
		x, dst = x[n:], dst[n:]
	}
	axpy(dst, a, x)
}

func scaleAVX2(dst []float32, a float32) {
	for len(dst) >= 8 {
		n := min(len(dst)&^7, vectorSpan)
		scale256(&dst[0], n, a)
		dst = dst[n:]
	}
	scale(dst, a)
}

func divAVX2(dst []float32, a float32) {
	for len(dst) >= 8 {
		n := min(len(dst)&^7, vectorSpan)
		div256(&dst[0], n, a)
		dst = dst[n:]
	}
	div(dst, a)
}

func geGLUAVX2(dst, gate, up []float32) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	for len(gate) >= 8 {
		n := min(len(gate)&^7, vectorSpan)
		geGLU256(&dst[0], &gate[0], &up[0], n, geluC0, geluC1)
		gate, dst, up = gate[n:], dst[n:], up[n:]
	}
	geGLU(dst, gate, up)
}

func swiGLUBackAVX2(dgate, dup, dy, gate, up []float32) {
	dgate, dup, dy, up = dgate[:len(gate)], dup[:len(gate)], dy[:len(gate)], up[:len(gate)]
	for len(gate) >= 8 {
		n := min(len(gate)&^7, vectorSpan)
		swiGLUBack256(&dgate[0], &dup[0], &dy[0], &gate[0], &up[0], n)
		gate, dgate, dup, dy, up = gate[n:], dgate[n:], dup[n:], dy[n:], up[n:]
	}
	swiGLUBack(dgate, dup, dy, gate, up)
}

func rmsNormAVX2(dst, x, w []float32, eps float32) {
	dst, w = dst[:len(x)], w[:len(x)]
	s := rmsScale(dotAVX2(x, x), len(x), eps)
	for len(x) >= 8 {
		n := min(len(x)&^7, vectorSpan)
		rmsApply256(&dst[0], &x[0], &w[0], n, s)
		x, dst, w = x[n:], dst[n:], w[n:]
	}
	for i, v := range x {
		dst[i] = float32(v*s) * w[i]
	}
}

func rmsNormBackAVX2(dx, dw, dy, x, w []float32, eps float32) {
	dx, dw, dy, w = dx[:len(x)], dw[:len(x)], dy[:len(x)], w[:len(x)]
	s := rmsScale(dotAVX2(x, x), len(x), eps)
	c := rmsBackScale(s, len(x), rmsBackDotAVX2(dy, w, x))
	for len(x) >= 8 {
		n := min(len(x)&^7, vectorSpan)
		rmsBackApply256(&dx[0], &dw[0], &dy[0], &x[0], &w[0], n, s, c)
		x, dx, dw, dy, w = x[n:], dx[n:], dw[n:], dy[n:], w[n:]
	}
	rmsBackApply(dx, dw, dy, x, w, s, c)
}

// rmsBackDotAVX2 is the lane sum of dy*w*x in rmsNormBack.
func rmsBackDotAVX2(dy, w, x []float32) float32 {
	var l [16]float32
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		rmsBackLanes256(&dy[0], &w[0], &x[0], n, &l)
		x, dy, w = x[n:], dy[n:], w[n:]
	}
	for i, v := range x {
		l[i] = FMA32(float32(dy[i]*w[i]), v, l[i])
	}
	return tree16(&l)
}

func ropeAVX2(x, cos, sin []float32, neox bool) {
	n := len(cos)
	x, sin = x[:2*n], sin[:n]
	if neox {
		done := n &^ 7
		if done > 0 {
			ropeHalves256(&x[0], &x[n], &cos[0], &sin[0], done)
		}
		ropeHalves(x[done:n], x[n+done:], cos[done:], sin[done:])
		return
	}
	done := n &^ 3
	if done > 0 {
		ropePairs256(&x[0], &cos[0], &sin[0], done)
	}
	rope(x[2*done:], cos[done:], sin[done:], false)
}

func maxAVX2(x []float32) float32 {
	m := float32(math.Inf(-1))
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		m = max(m, max256(&x[0], n))
		x = x[n:]
	}
	if v := vmax(x); v > m {
		m = v
	}
	if m == 0 {
		return 0 // not -0, as in vmax
	}
	return m
}

func sumAVX2(x []float32) float32 {
	var l [16]float32
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		sumLanes256(&x[0], n, &l)
		x = x[n:]
	}
	for i, v := range x {
		l[i] += v
	}
	return tree16(&l)
}

func dotAVX2(x, y []float32) float32 {
	var l [16]float32
	y = y[:len(x)]
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		dotLanes256(&x[0], &y[0], n, &l)
		x, y = x[n:], y[n:]
	}
	for i, v := range x {
		l[i] = FMA32(v, y[i], l[i])
	}
	return tree16(&l)
}

func softmaxExpAVX2(dst, x []float32, max float32) float32 {
	var l [16]float32
	dst = dst[:len(x)]
	for len(x) >= 16 {
		n := len(x) &^ 15
		if n > vectorSpan {
			n = vectorSpan
		}
		softmaxExp256(&dst[0], &x[0], n, max, &l)
		x, dst = x[n:], dst[n:]
	}
	for i, v := range x {
		dst[i] = Exp32(v - max)
		l[i] += dst[i]
	}
	return tree16(&l)
}

func allFiniteAVX2(x []float32) bool {
	for len(x) >= 8 {
		n := min(len(x)&^7, vectorSpan)
		if !finite256(&x[0], n) {
			return false
		}
		x = x[n:]
	}
	return allFinite(x)
}

func adamWAVX2(w, g, m, v []float32, s *AdamWStep) {
	g, m, v = g[:len(w)], m[:len(w)], v[:len(w)]
	for len(w) >= 8 {
		n := min(len(w)&^7, vectorSpan)
		adamW256(&w[0], &g[0], &m[0], &v[0], n, s)
		w, g, m, v = w[n:], g[n:], m[n:], v[n:]
	}
	adamW(w, g, m, v, s)
}
