//go:build !purego

package kernels

import "math"

// avx512Vector fills l with this level's kernels of the vector group.
func avx512Vector(l *Level) {
	const lanes = 1
	l.F16ToF32 = func(dst []float32, src []uint16) { each2(dst, src, lanes, f16ToF32x512, f16ToF32) }
	l.F32ToF16 = func(dst []uint16, src []float32) { each2(dst, src, lanes, f32ToF16x512, f32ToF16) }
	l.BF16ToF32 = func(dst []float32, src []uint16) { each2(dst, src, lanes, bf16ToF32x512, bf16ToF32) }
	l.Exp = func(dst, x []float32) { each2(dst, x, lanes, exp512, vexp) }
	l.Add = func(dst, x []float32) { each2(dst, x, lanes, add512, add) }
	l.Mul = func(dst, x []float32) { each2(dst, x, lanes, mul512, mul) }
	l.MulAdd = func(dst, x, y []float32) { each3(dst, x, y, lanes, mulAdd512, mulAdd) }
	l.Scan = scanAVX512
	l.SwiGLU = func(dst, gate, up []float32) { each3(dst, gate, up, lanes, swiGLU512, swiGLU) }
	l.Axpy, l.Scale, l.Div, l.GeGLU, l.SwiGLUBack = axpyAVX512, scaleAVX512, divAVX512, geGLUAVX512, swiGLUBackAVX512
	l.RMSNorm, l.RMSNormBack, l.Rope = rmsNormAVX512, rmsNormBackAVX512, ropeAVX512
	l.Max, l.Sum, l.Dot, l.SoftmaxExp = maxAVX512, sumAVX512, dotAVX512, softmaxExpAVX512
	l.SumSq = func(x []float32) float32 { return dotAVX512(x, x) }
	l.AllFinite, l.AdamW = allFiniteAVX512, adamWAVX512
}

func axpyAVX512(dst []float32, a float32, x []float32) {
	dst = dst[:len(x)]
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		axpy512(&dst[0], &x[0], n, a)
		x, dst = x[n:], dst[n:]
	}
}

func scaleAVX512(dst []float32, a float32) {
	for len(dst) > 0 {
		n := min(len(dst), vectorSpan)
		scale512(&dst[0], n, a)
		dst = dst[n:]
	}
}

func divAVX512(dst []float32, a float32) {
	for len(dst) > 0 {
		n := min(len(dst), vectorSpan)
		div512(&dst[0], n, a)
		dst = dst[n:]
	}
}

func geGLUAVX512(dst, gate, up []float32) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	for len(gate) > 0 {
		n := min(len(gate), vectorSpan)
		geGLU512(&dst[0], &gate[0], &up[0], n, geluC0, geluC1)
		gate, dst, up = gate[n:], dst[n:], up[n:]
	}
}

func swiGLUBackAVX512(dgate, dup, dy, gate, up []float32) {
	dgate, dup, dy, up = dgate[:len(gate)], dup[:len(gate)], dy[:len(gate)], up[:len(gate)]
	for len(gate) > 0 {
		n := min(len(gate), vectorSpan)
		swiGLUBack512(&dgate[0], &dup[0], &dy[0], &gate[0], &up[0], n)
		gate, dgate, dup, dy, up = gate[n:], dgate[n:], dup[n:], dy[n:], up[n:]
	}
}

func rmsNormAVX512(dst, x, w []float32, eps float32) {
	dst, w = dst[:len(x)], w[:len(x)]
	s := rmsScale(dotAVX512(x, x), len(x), eps)
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		rmsApply512(&dst[0], &x[0], &w[0], n, s)
		x, dst, w = x[n:], dst[n:], w[n:]
	}
}

func rmsNormBackAVX512(dx, dw, dy, x, w []float32, eps float32) {
	dx, dw, dy, w = dx[:len(x)], dw[:len(x)], dy[:len(x)], w[:len(x)]
	s := rmsScale(dotAVX512(x, x), len(x), eps)
	c := rmsBackScale(s, len(x), rmsBackDotAVX512(dy, w, x))
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		rmsBackApply512(&dx[0], &dw[0], &dy[0], &x[0], &w[0], n, s, c)
		x, dx, dw, dy, w = x[n:], dx[n:], dw[n:], dy[n:], w[n:]
	}
}

// rmsBackDotAVX512 is the lane sum of dy*w*x in rmsNormBack.
func rmsBackDotAVX512(dy, w, x []float32) float32 {
	var l [16]float32
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		rmsBackLanes512(&dy[0], &w[0], &x[0], n, &l)
		x, dy, w = x[n:], dy[n:], w[n:]
	}
	return tree16(&l)
}

func ropeAVX512(x, cos, sin []float32, neox bool) {
	n := len(cos)
	x, sin = x[:2*n], sin[:n]
	switch {
	case n == 0:
	case neox:
		ropeHalves512(&x[0], &x[n], &cos[0], &sin[0], n)
	default:
		ropePairs512(&x[0], &cos[0], &sin[0], n)
	}
}

func maxAVX512(x []float32) float32 {
	m := float32(math.Inf(-1))
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		m = max(m, max512(&x[0], n))
		x = x[n:]
	}
	if m == 0 {
		return 0 // not -0, as in vmax
	}
	return m
}

func sumAVX512(x []float32) float32 {
	var l [16]float32
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		sumLanes512(&x[0], n, &l)
		x = x[n:]
	}
	return tree16(&l)
}

func dotAVX512(x, y []float32) float32 {
	var l [16]float32
	y = y[:len(x)]
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		dotLanes512(&x[0], &y[0], n, &l)
		x, y = x[n:], y[n:]
	}
	return tree16(&l)
}

func softmaxExpAVX512(dst, x []float32, max float32) float32 {
	var l [16]float32
	dst = dst[:len(x)]
	for len(x) > 0 {
		n := len(x)
		if n > vectorSpan {
			n = vectorSpan
		}
		softmaxExp512(&dst[0], &x[0], n, max, &l)
		x, dst = x[n:], dst[n:]
	}
	return tree16(&l)
}

func allFiniteAVX512(x []float32) bool {
	for len(x) > 0 {
		n := min(len(x), vectorSpan)
		if !finite512(&x[0], n) {
			return false
		}
		x = x[n:]
	}
	return true
}

func adamWAVX512(w, g, m, v []float32, s *AdamWStep) {
	g, m, v = g[:len(w)], m[:len(w)], v[:len(w)]
	for len(w) > 0 {
		n := min(len(w), vectorSpan)
		adamW512(&w[0], &g[0], &m[0], &v[0], n, s)
		w, g, m, v = w[n:], g[n:], m[n:], v[n:]
	}
}
