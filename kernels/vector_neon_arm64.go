//go:build !purego

package kernels

import "math"

// neonVector fills l with this level's kernels of the vector group.
func neonVector(l *Level) {
	const lanes = 4
	l.F16ToF32 = func(dst []float32, src []uint16) { each2(dst, src, lanes, f16ToF32x128, f16ToF32) }
	l.F32ToF16 = func(dst []uint16, src []float32) { each2(dst, src, lanes, f32ToF16x128, f32ToF16) }
	l.BF16ToF32 = func(dst []float32, src []uint16) { each2(dst, src, lanes, bf16ToF32x128, bf16ToF32) }
	l.Exp = func(dst, x []float32) { each2(dst, x, lanes, exp128, vexp) }
	l.Add = func(dst, x []float32) { each2(dst, x, lanes, add128, add) }
	l.Mul = func(dst, x []float32) { each2(dst, x, lanes, mul128, mul) }
	l.MulAdd = func(dst, x, y []float32) { each3(dst, x, y, lanes, mulAdd128, mulAdd) }
	l.Scan = scanNEON
	l.SwiGLU = func(dst, gate, up []float32) { each3(dst, gate, up, lanes, swiGLU128, swiGLU) }
	l.Axpy, l.Scale, l.Div, l.GeGLU, l.SwiGLUBack = axpyNEON, scaleNEON, divNEON, geGLUNEON, swiGLUBackNEON
	l.RMSNorm, l.RMSNormBack, l.Rope = rmsNormNEON, rmsNormBackNEON, ropeNEON
	l.Max, l.Sum, l.Dot, l.SoftmaxExp = maxNEON, sumNEON, dotNEON, softmaxExpNEON
	l.SumSq = func(x []float32) float32 { return dotNEON(x, x) }
	l.AllFinite, l.AdamW = allFiniteNEON, adamWNEON
}

func axpyNEON(dst []float32, a float32, x []float32) {
	dst = dst[:len(x)]
	for len(x) >= 4 {
		n := min(len(x)&^3, vectorSpan)
		axpy128(&dst[0], &x[0], n, a)
		x, dst = x[n:], dst[n:]
	}
	axpy(dst, a, x)
}

func scaleNEON(dst []float32, a float32) {
	for len(dst) >= 4 {
		n := min(len(dst)&^3, vectorSpan)
		scale128(&dst[0], n, a)
		dst = dst[n:]
	}
	scale(dst, a)
}

func divNEON(dst []float32, a float32) {
	for len(dst) >= 4 {
		n := min(len(dst)&^3, vectorSpan)
		div128(&dst[0], n, a)
		dst = dst[n:]
	}
	div(dst, a)
}

func geGLUNEON(dst, gate, up []float32) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	for len(gate) >= 4 {
		n := min(len(gate)&^3, vectorSpan)
		geGLU128(&dst[0], &gate[0], &up[0], n, geluC0, geluC1)
		gate, dst, up = gate[n:], dst[n:], up[n:]
	}
	geGLU(dst, gate, up)
}

func swiGLUBackNEON(dgate, dup, dy, gate, up []float32) {
	dgate, dup, dy, up = dgate[:len(gate)], dup[:len(gate)], dy[:len(gate)], up[:len(gate)]
	for len(gate) >= 4 {
		n := min(len(gate)&^3, vectorSpan)
		swiGLUBack128(&dgate[0], &dup[0], &dy[0], &gate[0], &up[0], n)
		gate, dgate, dup, dy, up = gate[n:], dgate[n:], dup[n:], dy[n:], up[n:]
	}
	swiGLUBack(dgate, dup, dy, gate, up)
}

func rmsNormNEON(dst, x, w []float32, eps float32) {
	dst, w = dst[:len(x)], w[:len(x)]
	s := rmsScale(dotNEON(x, x), len(x), eps)
	for len(x) >= 4 {
		n := min(len(x)&^3, vectorSpan)
		rmsApply128(&dst[0], &x[0], &w[0], n, s)
		x, dst, w = x[n:], dst[n:], w[n:]
	}
	for i, v := range x {
		dst[i] = float32(v*s) * w[i]
	}
}

func rmsNormBackNEON(dx, dw, dy, x, w []float32, eps float32) {
	dx, dw, dy, w = dx[:len(x)], dw[:len(x)], dy[:len(x)], w[:len(x)]
	s := rmsScale(dotNEON(x, x), len(x), eps)
	c := rmsBackScale(s, len(x), rmsBackDotNEON(dy, w, x))
	for len(x) >= 4 {
		n := min(len(x)&^3, vectorSpan)
		rmsBackApply128(&dx[0], &dw[0], &dy[0], &x[0], &w[0], n, s, c)
		x, dx, dw, dy, w = x[n:], dx[n:], dw[n:], dy[n:], w[n:]
	}
	rmsBackApply(dx, dw, dy, x, w, s, c)
}

// rmsBackDotNEON is the lane sum of dy*w*x in rmsNormBack.
func rmsBackDotNEON(dy, w, x []float32) float32 {
	var l [16]float32
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		rmsBackLanes128(&dy[0], &w[0], &x[0], n, &l)
		x, dy, w = x[n:], dy[n:], w[n:]
	}
	for i, v := range x {
		l[i] = FMA32(float32(dy[i]*w[i]), v, l[i])
	}
	return tree16(&l)
}

func ropeNEON(x, cos, sin []float32, neox bool) {
	n := len(cos)
	done := n &^ 3
	x, sin = x[:2*n], sin[:n]
	if neox {
		if done > 0 {
			ropeHalves128(&x[0], &x[n], &cos[0], &sin[0], done)
		}
		ropeHalves(x[done:n], x[n+done:], cos[done:], sin[done:])
		return
	}
	if done > 0 {
		ropePairs128(&x[0], &cos[0], &sin[0], done)
	}
	rope(x[2*done:], cos[done:], sin[done:], false)
}

func maxNEON(x []float32) float32 {
	m := float32(math.Inf(-1))
	lanes := [4]float32{m, m, m, m}
	for len(x) >= 4 {
		n := min(len(x)&^3, vectorSpan)
		max128(&x[0], n, &lanes)
		x = x[n:]
	}
	return max(vmax(lanes[:]), vmax(x))
}

func sumNEON(x []float32) float32 {
	var l [16]float32
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		sumLanes128(&x[0], n, &l)
		x = x[n:]
	}
	for i, v := range x {
		l[i] += v
	}
	return tree16(&l)
}

func dotNEON(x, y []float32) float32 {
	var l [16]float32
	y = y[:len(x)]
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		dotLanes128(&x[0], &y[0], n, &l)
		x, y = x[n:], y[n:]
	}
	for i, v := range x {
		l[i] = FMA32(v, y[i], l[i])
	}
	return tree16(&l)
}

func softmaxExpNEON(dst, x []float32, max float32) float32 {
	var l [16]float32
	dst = dst[:len(x)]
	for len(x) >= 16 {
		n := min(len(x)&^15, vectorSpan)
		softmaxExp128(&dst[0], &x[0], n, max, &l)
		x, dst = x[n:], dst[n:]
	}
	for i, v := range x {
		dst[i] = Exp32(v - max)
		l[i] += dst[i]
	}
	return tree16(&l)
}

func allFiniteNEON(x []float32) bool {
	for len(x) >= 4 {
		n := min(len(x)&^3, vectorSpan)
		if !finite128(&x[0], n) {
			return false
		}
		x = x[n:]
	}
	return allFinite(x)
}

func adamWNEON(w, g, m, v []float32, s *AdamWStep) {
	g, m, v = g[:len(w)], m[:len(w)], v[:len(w)]
	for len(w) >= 4 {
		n := min(len(w)&^3, vectorSpan)
		adamW128(&w[0], &g[0], &m[0], &v[0], n, s)
		w, g, m, v = w[n:], g[n:], m[n:], v[n:]
	}
	adamW(w, g, m, v, s)
}
