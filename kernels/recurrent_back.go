package kernels

// ScanGrad collects the gradients of a block of a state space over tokens, the last first. Heads that share one decay must lie
// within the block whole.
type ScanGrad struct {
	S []float32 // [state, N] of the states before the token done last
	A []float32 // as the block holds A; with one decay a head, [heads of the block]
	D []float32 // [N]
}

// Reset makes q ready for the tokens of a block with states of so many values; A and D start at zero.
func (q *ScanGrad) Reset(p *ScanBlock, state int) {
	heads := p.N * state
	if p.shared {
		heads = p.N / p.size
	}
	if n := p.N*state + heads + p.N; cap(q.S) < n {
		q.S = make([]float32, n)
	}
	all := q.S[:cap(q.S)]
	q.S, q.A, q.D = all[:p.N*state], all[p.N*state:][:heads], all[p.N*state+heads:][:p.N]
	clear(q.A)
	clear(q.D)
}

// ScanTokenBack is the gradient of ScanToken for one token, of which s is the states after it and before those before it:
//
//	dS += c dy;  dc = <dy, s>;  db = <dS, dt*x>;  du = sum of b dS;  e = dS * before * decay
//	dA += e dt;  ddt += sum of e A + du x;  dx += du dt + d dy;  dD += dy x;  dS *= decay
//
// dx [N] and ddt, of the block's heads, are added to, db and dc [state] written: sums over the block. tmp holds N*(state+4).
func (l *Level) ScanTokenBack(p *ScanBlock, q *ScanGrad, dx, ddt, db, dc, dy, s, before, x, dt, b, c, tmp []float32) {
	n, states := p.N, len(b)
	xdt, decay := l.ScanSteps(p, x, dt, states, tmp)
	tmp = tmp[n*(states+1):]
	du, e, sum := tmp[:n], tmp[n:2*n], tmp[2*n:3*n]
	clear(du)
	clear(sum)
	row := decay
	for i := range states {
		ds := q.S[i*n : (i+1)*n]
		l.Axpy(ds, c[i], dy)
		dc[i] = l.Dot(dy, s[i*n:(i+1)*n])
		db[i] = l.Dot(ds, xdt)
		l.Axpy(du, b[i], ds)
		copy(e, before[i*n:(i+1)*n])
		l.Mul(e, ds)
		if p.shared {
			l.Add(sum, e)
		} else {
			row = decay[i*n : (i+1)*n]
			l.Mul(e, row)
			l.MulAdd(q.A[i*n:(i+1)*n], e, dt[p.First:][:n])
			l.MulAdd(sum, e, p.a[i*n:(i+1)*n])
		}
		l.Mul(ds, row)
	}
	l.MulAdd(q.D, dy, x)
	l.MulAdd(dx, dy, p.d)
	if !p.shared {
		l.MulAdd(sum, du, x)
		l.Add(ddt[p.First:][:n], sum)
		l.MulAdd(dx, du, dt[p.First:][:n])
		return
	}
	l.Mul(sum, decay)
	for k := range q.A {
		h, at, end := p.head+k, k*p.size, (k+1)*p.size
		v := l.Sum(sum[at:end])
		q.A[k] += float32(v * dt[h])
		ddt[h] += float32(v*p.a[h]) + l.Dot(du[at:end], x[at:end])
		l.Axpy(dx[at:end], dt[h], du[at:end])
	}
}

// AddTo adds the gradients of A and D to those of the whole tensors, nil = not wanted.
func (q *ScanGrad) AddTo(p *ScanBlock, da, dd []float32) {
	if da != nil {
		if p.shared {
			add(da[p.head:], q.A)
		} else {
			states := len(q.A) / p.N
			for j := range p.N {
				for i := range states {
					da[(p.First+j)*states+i] += q.A[i*p.N+j]
				}
			}
		}
	}
	if dd != nil {
		for j, v := range q.D {
			dd[(p.First+j)/p.size] += v
		}
	}
}
