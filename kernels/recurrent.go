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

// SiLUBack writes (not adds) the gradient of SiLU's argument; dx may be no source.
//
//	s = sigmoid(x):  dy * (float32(float32(x*s)*(1-s)) + s)
func (l *Level) SiLUBack(dx, dy, x []float32) {
	l.Sigmoid(dx, x)
	for i, s := range dx {
		dx[i] = dy[i] * (float32(float32(x[i]*s)*(1-s)) + s)
	}
}

// SoftplusBack writes (not adds) the gradient of Softplus's argument: dy * sigmoid(x); dx may be no source.
func (l *Level) SoftplusBack(dx, dy, x []float32) {
	l.Sigmoid(dx, x)
	l.Mul(dx, dy)
}

// ScanBlock is a run of N channels of a state space, of one group; see ScanToken.
type ScanBlock struct {
	First, N int // channels
	Group    int // of those that have a B and C of their own
	head     int // of the first channel
	size     int // channels of a head
	shared   bool
	a        []float32 // [state, N], or with shared one a head, all of them
	d        []float32 // [N]
}

// ScanBlocks cuts the channels of a state space of the given width into blocks of at most most channels, none of which lies in
// two groups. a is A, [heads, state] or with shared [heads]; d is D [heads].
func ScanBlocks(a, d []float32, width, state, groups, most int, shared bool) []ScanBlock {
	size := width / len(d)
	var blocks []ScanBlock
	for g := range groups {
		for c, end := g*width/groups, (g+1)*width/groups; c < end; c += most {
			b := ScanBlock{First: c, N: min(most, end-c), Group: g, head: c / size, size: size, shared: shared, a: a}
			b.d = make([]float32, b.N)
			for j := range b.d {
				b.d[j] = d[(c+j)/size]
			}
			if !shared {
				b.a = make([]float32, state*b.N)
				transpose(b.a, b.N, a[c*state:], state, b.N, state)
			}
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// ScanToken advances the block's states s [state, N] by one token with the inputs x [N], the time steps dt of all heads and
// the values B and C of its group. tmp holds N*(state+1).
//
//	s = exp(float32(dt*a)) s + b float32(dt*x), see Scan;  y = Scan's sum + float32(d*x)
func (l *Level) ScanToken(p *ScanBlock, y, s, x, dt, b, c, tmp []float32) {
	xdt, decay := l.ScanSteps(p, x, dt, len(b), tmp)
	l.Scan(y, s, decay, xdt, b, c)
	copy(xdt, x)
	l.Mul(xdt, p.d)
	l.Add(y, xdt)
}

// ScanSteps gives what Scan takes of a token: dt*x, and the decays exp(dt*a), both in tmp.
func (l *Level) ScanSteps(p *ScanBlock, x, dt []float32, state int, tmp []float32) (xdt, decay []float32) {
	n := p.N
	xdt, decay = tmp[:n], tmp[n:n*(state+1)]
	copy(xdt, x)
	if !p.shared { // a head is a channel
		dt = dt[p.First:][:n]
		l.Mul(xdt, dt)
		copy(decay, p.a)
		for i := range state {
			l.Mul(decay[i*n:(i+1)*n], dt)
		}
		l.Exp(decay, decay)
		return xdt, decay
	}
	decay = decay[:n]
	heads := 0
	for j := 0; j < n; heads++ {
		h := p.head + heads
		end := min(n, (h+1)*p.size-p.First)
		decay[heads] = dt[h] * p.a[h]
		l.Scale(xdt[j:end], dt[h])
		j = end
	}
	l.Exp(decay[:heads], decay[:heads])
	for j := n - 1; j >= 0; j-- { // to all channels of its head, whose own places are written last
		decay[j] = decay[(p.First+j)/p.size-p.head]
	}
	return xdt, decay
}
