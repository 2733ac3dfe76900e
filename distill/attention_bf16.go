package distill

import "github.com/freehold-slm/freehold/kernels"

// attendBF16 is what a worker needs for attention's backward in bf16: all products but that of the scores, which the softmax of
// the way there, in f32, must fit. With P and dS of a head [queries, keys]:
//
//	dP = dO·Vᵀ;  dQ += dS·K;  dKᵀ += Qᵀ·dS;  dVᵀ += dOᵀ·P
//
// The last two lie the other way round, so that P and dS need rows in pairs and not to be turned.
type attendBF16 struct {
	n, hd, kn, kh  int     // keys, width of a head; as steps of a chain
	ld             int     // row stride of P, dS, and what has a column a key
	do, doT, qT    scratch // their operands on the left
	ds             scratch
	v, k, pairs    []uint16  // panels of kh, kn, kn steps
	dk, dv, turned []float32 // [hd, ld], [hd, ld], [n, hd]
}

// begin takes the keys and values of a KV head, [n, hd] with row stride w.
func (a *attendBF16) begin(g *Graph, kh, vh []float32, w, n, hd int) {
	const width = kernels.BF16Cols
	a.n, a.hd, a.kn, a.kh, a.ld = n, hd, wholeSteps(n), wholeSteps(hd), n+attendPad
	a.v = resize16(a.v, a.kn*a.kh)
	for l := 0; l < n; l += width {
		g.packTurned(&a.ds, a.v[l*a.kh:][:width*a.kh], vh[l*w:], w, hd, a.kh, min(width, n-l))
	}
	a.k = resize16(a.k, a.kn*((hd+width-1)/width*width))
	g.packPairs(&a.ds, a.k, kh, w, n, a.kn, hd, 0, a.kn)
	a.pairs = resize16(a.pairs, a.kn*a.kn)
	a.dk, a.dv = resize(a.dk, hd*a.ld), resize(a.dv, hd*a.ld)
	clear(a.dk)
	clear(a.dv)
}

// head takes the queries and the gradient of the output of one of its heads, with row stride w.
func (a *attendBF16) head(g *Graph, qh, doh []float32, w int) {
	g.rowsBF16(&a.do, doh, operand{doh, w, 1}, a.n, a.hd, a.kh)
	g.rowsBF16(&a.doT, doh, operand{doh, 1, w}, a.hd, a.n, a.kn)
	g.rowsBF16(&a.qT, qh, operand{qh, 1, w}, a.hd, a.n, a.kn)
}

// scores writes dP of queries [t, t+m) and the first keys to dp [n, n].
func (a *attendBF16) scores(g *Graph, dp []float32, t, m, keys int) {
	const width = kernels.BF16Cols
	ld := padded(a.kh)
	for l := 0; l < keys; l += width {
		g.level.GemmBF16(dp[t*a.ld+l:], a.ld, a.do.a16[t*ld:], ld, a.v[l*a.kh:], m, min(width, keys-l), a.kh, false)
	}
}

// products continues dq [n, hd], row stride w, and the gradients of keys and values by P and dS [n, n].
func (a *attendBF16) products(g *Graph, dq []float32, w int, p, ds []float32) {
	const width = kernels.BF16Cols
	for t := 0; t < a.n; t += backBlock {
		m := min(backBlock, a.n-t)
		keys := g.seen(t+m-1, a.n)
		k := wholeSteps(keys)
		rows, ld := g.rowsBF16(&a.ds, ds[t*a.ld:], operand{ds, a.ld, 1}, m, keys, k)
		for l := 0; l < a.hd; l += width {
			g.level.GemmBF16(dq[t*w+l:], w, rows, ld, a.k[l*a.kn:], m, min(width, a.hd-l), k, true)
		}
	}
	for _, x := range []struct {
		c, m []float32
		left *scratch
	}{{a.dk, ds, &a.qT}, {a.dv, p, &a.doT}} {
		for t := 0; t < a.n; t += backBlock { // whole rows of what their queries see
			g.packPairs(&a.ds, a.pairs, x.m, a.ld, a.n, a.kn, g.seen(min(a.n, t+backBlock)-1, a.n), t, min(a.kn, t+backBlock))
		}
		for l := 0; l < a.n; l += width {
			first := l / backBlock * backBlock // no query before it sees these keys
			if g.student.Spec.Encoder {
				first = 0
			}
			g.level.GemmBF16(x.c[l:], a.ld, x.left.a16[first:], padded(a.kn), a.pairs[l*a.kn+first*width:], a.hd, min(width, a.n-l), a.kn-first, true)
		}
	}
}

// end adds the gradients of keys and values to dk and dv, [n, hd] with row stride w.
func (a *attendBF16) end(g *Graph, dk, dv []float32, w int) {
	a.turned = resize(a.turned, a.n*a.hd)
	for _, x := range [][2][]float32{{dk, a.dk}, {dv, a.dv}} {
		g.level.Transpose(a.turned, a.hd, x[1], a.ld, a.hd, a.n)
		for t := range a.n {
			g.level.Add(x[0][t*w:t*w+a.hd], a.turned[t*a.hd:(t+1)*a.hd])
		}
	}
}
