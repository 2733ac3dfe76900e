package kernels

// Kernels of layers that carry a state from token to token. Channels lie side by side, so that they go in lanes.

// mulAdd: dst = fma(x, y, dst).
func mulAdd(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = FMA32(v, y[i], dst[i])
	}
}

// scan advances the states s [n, w] of w = len(y) channels by one token, n = len(b) = len(c):
//
//	s[i,j] = fma(b[i], x[j], float32(s[i,j] * decay[i,j]))
//	y[j]   = chain over rising i of fma(c[i], s[i,j]) from +0
//
// decay is [n, w], or [w] for all i alike.
func scan(y, s, decay, x, b, c []float32) {
	scanFrom(0, scanStride(y, s, decay, x, b, c), y, s, decay, x, b, c)
}

// scanStride checks the sizes of a scan and gives the step from row to row of decay.
func scanStride(y, s, decay, x, b, c []float32) int {
	n, w := len(b), len(y)
	if len(x) != w || len(c) != n || len(s) != n*w || len(decay) != w && len(decay) != n*w {
		panic("kernels: Scan: sizes do not fit together")
	}
	if len(decay) == w {
		return 0
	}
	return w
}

// scanFrom is scan of the channels from the given one on.
func scanFrom(from, stride int, y, s, decay, x, b, c []float32) {
	w := len(y)
	for j := from; j < w; j++ {
		var sum float32
		for i := range b {
			v := FMA32(b[i], x[j], float32(s[i*w+j]*decay[i*stride+j]))
			s[i*w+j] = v
			sum = FMA32(c[i], v, sum)
		}
		y[j] = sum
	}
}

// Conv is one token of a causal convolution over steps tokens of len(dst) channels each, the oldest at the beginning of x and
// the others ldx further each; w [steps, len(dst)] has row stride ldw.
//
//	dst[j] = chain over rising i of fma(x[i,j], w[i,j]) from +0
func (l *Level) Conv(dst, x []float32, ldx int, w []float32, ldw, steps int) {
	clear(dst)
	for i := range steps {
		l.MulAdd(dst, x[i*ldx:][:len(dst)], w[i*ldw:][:len(dst)])
	}
}

// SiLU is silu(x) as SwiGLU computes it; dst may be x.
func (l *Level) SiLU(dst, x []float32) {
	for len(x) > 0 {
		n := min(len(x), len(ones))
		l.SwiGLU(dst[:n], x[:n], ones[:n])
		dst, x = dst[n:], x[n:]
	}
}

// Softplus is log(1 + exp(x)); dst may be x, tmp holds len(x).
//
//	e = exp(-|x|), s = e/(2+e), q = s²:  max(x, 0) + float32(2s * (1 + q/3 + q²/5 + ... + q⁷/15))
//
// log(1+e) is 2 atanh(s), |s| <= 1/3. Products and sums are rounded one by one.
func (l *Level) Softplus(dst, x, tmp []float32) {
	tmp = tmp[:len(x)]
	for i, v := range x {
		if v > 0 {
			v = -v
		}
		tmp[i] = v
	}
	l.Exp(tmp, tmp)
	for i, e := range tmp {
		s := e / (2 + e)
		q := float32(s * s)
		p := float32(q*(1./15)) + 1./13
		p = float32(q*p) + 1./11
		p = float32(q*p) + 1./9
		p = float32(q*p) + 1./7
		p = float32(q*p) + 1./5
		p = float32(q*p) + 1./3
		p = float32(q*p) + 1
		v := x[i]
		if v < 0 {
			v = 0
		}
		dst[i] = v + float32(2*s*p)
	}
}

// SoftplusBack writes (not adds) the gradient of Softplus's argument: dy * sigmoid(x); dx may be no source.
func (l *Level) SoftplusBack(dx, dy, x []float32) {
	l.Sigmoid(dx, x)
	l.Mul(dx, dy)
}

// HeadSteps prepares a scan in which all states of a head decay alike: for the channels from first on, of heads of size
// channels with time steps dt and A's a,
//
//	decay[j] = exp(float32(dt*a));  x[j] *= dt
func (l *Level) HeadSteps(decay, x, dt, a []float32, first, size int) {
	h0 := first / size
	for j, h := 0, h0; j < len(x); h++ {
		end := min(len(x), (h+1)*size-first)
		decay[h-h0] = dt[h] * a[h]
		l.Scale(x[j:end], dt[h])
		j = end
	}
	heads := (first+len(x)-1)/size - h0 + 1
	l.Exp(decay[:heads], decay[:heads])
	for j := len(x) - 1; j >= 0; j-- { // a head's own place is written last
		decay[j] = decay[(first+j)/size-h0]
	}
}
