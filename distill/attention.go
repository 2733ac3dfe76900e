package distill

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// attState is what one Attend op keeps for its backward: the softmax's maximum and sum, [rows, heads].
type attState struct{ max, sum []float32 }

// attend runs attention of every sequence with the engine's own kernel and page order, so that the result
// equals the engine's reference mode bit for bit. q [rows, heads*hd], k and v [rows, kvHeads*hd].
// A query sees window keys, its own included; 0 = all. Of an encoder it sees those after it too.
func (g *Graph) attend(st *attState, o *models.Op, out, q, k, v []float32) {
	spec, b := g.student.Spec, g.batch
	hd, nh, nkv := spec.HeadDim, spec.Heads, spec.KVHeads
	st.max, st.sum = resize(st.max, len(b.Tokens)*nh), resize(st.sum, len(b.Tokens)*nh)
	g.par(b.Seqs()*nkv, func(worker, i int) {
		s, h := i/nkv, i%nkv
		g.attendHead(g.scratch[worker], st, o, out, q, k, v, b.Start[s], b.Start[s+1], h, hd, nh, nkv)
	})
}

// queryBlock is the number of queries one AttendPage call takes.
const queryBlock = 32

func (g *Graph) attendHead(sc *scratch, st *attState, op *models.Op, out, q, k, v []float32, lo, hi, kvHead, hd, nh, nkv int) {
	const pk = kernels.PageKeys
	group, window, sinks, slopes := nh/nkv, op.Window, g.student.weightOf(op).W, g.student.Spec.Slopes()
	pages := (hi - lo + pk - 1) / pk
	for i := range sc.s {
		n := [...]int{pk * hd * pages, pk * hd * pages, queryBlock * hd, queryBlock * pk, queryBlock * hd, 2 * queryBlock, hd}
		if i < len(n) {
			sc.s[i] = resize(sc.s[i], n[i])
		}
	}
	kp, vp, qb, pb, ob, ms := sc.s[0], sc.s[1], sc.s[2], sc.s[3], sc.s[4], sc.s[5]
	for r := lo; r < hi; r++ { // lay K and V out in pages as the engine's cache does
		j := r - lo
		base := j / pk * pk * hd
		src := k[(r*nkv+kvHead)*hd:]
		at := base + j%pk/16*hd*16 + j%16
		for d := 0; d < hd; d++ {
			kp[at+d*16] = src[d]
		}
		copy(vp[base+j%pk*hd:base+j%pk*hd+hd], v[(r*nkv+kvHead)*hd:])
	}
	var loKeys, hiKeys, own [queryBlock]int32
	var slope [queryBlock]float32
	// Queries of all heads that share this KV head, token by token: index n = token*group + head in group.
	total := (hi - lo) * group
	for n0 := 0; n0 < total; n0 += queryBlock {
		nq := min(queryBlock, total-n0)
		row := func(i int) (token, head int) { return lo + (n0+i)/group, kvHead*group + (n0+i)%group }
		for i := 0; i < nq; i++ {
			t, h := row(i)
			copy(qb[i*hd:i*hd+hd], q[(t*nh+h)*hd:])
			o := out[(t*nh+h)*hd : (t*nh+h)*hd+hd]
			clear(o)
			st.max[t*nh+h], st.sum[t*nh+h] = float32(math.Inf(-1)), 0
		}
		token, _ := row(0)
		last, _ := row(nq - 1)
		if g.student.Spec.Encoder {
			last = hi - 1
		}
		for p := firstKey(token-lo, window) / pk; p <= (last-lo)/pk; p++ {
			for i := 0; i < nq; i++ {
				t, h := row(i)
				if own[i] = int32(t - lo - p*pk); slopes != nil {
					slope[i] = slopes[h]
				}
				loKeys[i], hiKeys[i] = int32(max(0, firstKey(t-lo, window)-p*pk)), int32(max(0, min(pk, g.seen(t-lo, hi-lo)-p*pk)))
			}
			page := kernels.AttnPage{HeadDim: hd, K32: kp[p*pk*hd : (p+1)*pk*hd], V32: vp[p*pk*hd : (p+1)*pk*hd], NQ: nq, Q: qb[:nq*hd],
				Lo: loKeys[:nq], Hi: hiKeys[:nq], Scale: g.student.Spec.AttnScale, Cap: g.student.Spec.AttnCap, P: pb, Out: ob, Max: ms[:nq], Sum: ms[queryBlock : queryBlock+nq]}
			if slopes != nil {
				page.Slope, page.At = slope[:nq], own[:nq]
			}
			g.level.AttendPage(&page)
			for i := 0; i < nq; i++ {
				t, h := row(i)
				at := t*nh + h
				st.max[at], st.sum[at] = g.level.AttendMerge(out[at*hd:at*hd+hd], st.max[at], st.sum[at], ob[i*hd:i*hd+hd], page.Max[i], page.Sum[i])
			}
		}
		for i := 0; i < nq; i++ {
			t, h := row(i)
			at := t*nh + h
			if sinks != nil { // a page of one key without a value
				none := sc.s[6]
				clear(none)
				st.max[at], st.sum[at] = g.level.AttendMerge(out[at*hd:at*hd+hd], st.max[at], st.sum[at], none, sinks[h], 1)
			}
			for d, s := at*hd, st.sum[at]; d < at*hd+hd; d++ {
				out[d] /= s
			}
		}
	}
}

// seen is how many of n keys, from the first, the query at a position sees at most.
func (g *Graph) seen(pos, n int) int {
	if g.student.Spec.Encoder {
		return n
	}
	return pos + 1
}

// firstKey is the first key that the query at a position sees.
func firstKey(pos, window int) int {
	if window == 0 {
		return 0
	}
	return max(0, pos+1-window)
}

// attendBack: with P = softmax(S), S = scale q·kᵀ (causal, but for an encoder), D = rowsum(dO*O):
//
//	dV += Pᵀ dO;  dS = P * (dO·Vᵀ - D) * scale;  dQ = dS·K;  dK += dSᵀ Q
//
// With capped scores, dS has the slope of the cap as another factor.
//
// A worker takes a whole KV head of a sequence, so sums over tokens and over the heads that share it keep one order.
// A sink's share of the sum is p = exp(sink - max)/sum, and its value is 0: dsink -= p*D, a chain over the tokens.
func (g *Graph) attendBack(st *attState, o *models.Op, dq, dk, dv, dout, out, q, k, v []float32) {
	spec, b := g.student.Spec, g.batch
	nkv := spec.KVHeads
	g.par(b.Seqs()*nkv, func(worker, i int) {
		g.attendBackHead(g.scratch[worker], st, o.Window, dq, dk, dv, dout, out, q, k, v, b.Start[i/nkv], b.Start[i/nkv+1], i%nkv)
	})
	if sinks := g.student.weightOf(o); sinks.G != nil {
		hd, nh := spec.HeadDim, spec.Heads
		for h := range nh {
			for t := range b.Tokens {
				at := t*nh + h
				p := kernels.Exp32(sinks.W[h]-st.max[at]) / st.sum[at]
				sinks.G[h] -= float32(p * g.level.Dot(dout[at*hd:at*hd+hd], out[at*hd:at*hd+hd]))
			}
		}
	}
}

// backBlock is how many queries, or keys, attention's backward takes at a time.
const backBlock = 64

// attendPad keeps the rows of its matrices, of as many values as a sequence has tokens, from falling on the same sets of a cache.
const attendPad = 16

func (g *Graph) attendBackHead(sc *scratch, st *attState, window int, dq, dk, dv, dout, out, q, k, v []float32, lo, hi, kvHead int) {
	spec, l := g.student.Spec, g.level
	hd, nh, nkv := spec.HeadDim, spec.Heads, spec.KVHeads
	n, group := hi-lo, nh/nkv
	ld := n + attendPad
	qw, kw := nh*hd, nkv*hd
	for i, size := range [...]int{hd * ld, hd * ld, n * ld, n * ld} {
		sc.s[i] = resize(sc.s[i], size)
	}
	slopes := spec.Slopes()
	kt, vt, p, ds := sc.s[0], sc.s[1], sc.s[2], sc.s[3]
	kh, vh := k[lo*kw+kvHead*hd:], v[lo*kw+kvHead*hd:]
	l.Transpose(kt, ld, kh, kw, n, hd)
	dkh, dvh := dk[lo*kw+kvHead*hd:], dv[lo*kw+kvHead*hd:]
	if g.bf16 {
		sc.att.begin(g, kh, vh, kw, n, hd)
	} else {
		l.Transpose(vt, ld, vh, kw, n, hd)
	}
	for j := 0; j < group; j++ {
		h := kvHead*group + j
		qh, doh, oh, dqh := q[lo*qw+h*hd:], dout[lo*qw+h*hd:], out[lo*qw+h*hd:], dq[lo*qw+h*hd:]
		if g.bf16 {
			sc.att.head(g, qh, doh, qw)
		}
		for t := 0; t < n; t += backBlock { // a query sees no key after it
			m := min(backBlock, n-t)
			keys := g.seen(t+m-1, n)
			l.GemmF32(p[t*ld:], ld, qh[t*qw:], qw, 1, kt, ld, m, keys, hd, false)
			if g.bf16 {
				sc.att.scores(g, ds, t, m, keys)
				continue
			}
			l.GemmF32(ds[t*ld:], ld, doh[t*qw:], qw, 1, vt, ld, m, keys, hd, false)
		}
		for t := 0; t < n; t++ {
			row, drow := p[t*ld:t*ld+n], ds[t*ld:t*ld+n]
			at := (lo+t)*nh + h
			first := firstKey(t, window)
			past := g.seen(t, n)
			seen, dseen := row[first:past], drow[first:past]
			l.Scale(seen, spec.AttnScale)
			if spec.AttnCap > 0 {
				l.SoftCap(seen, spec.AttnCap)
				sc.s[4] = append(sc.s[4][:0], seen...)
			}
			if slopes != nil {
				kernels.Distance(seen, 1, slopes[h], t-first)
			}
			l.SoftmaxExp(seen, seen, st.max[at])
			l.Scale(seen, 1/st.sum[at])
			d := l.Dot(doh[t*qw:t*qw+hd], oh[t*qw:t*qw+hd])
			l.Mul(dseen, seen)
			l.Axpy(dseen, -d, seen)
			l.Scale(dseen, spec.AttnScale)
			if spec.AttnCap > 0 {
				l.SoftCapBack(dseen, sc.s[4], spec.AttnCap)
			}
			clear(row[:first])
			clear(drow[:first])
			if end := min(n, t/backBlock*backBlock+backBlock); past < end {
				clear(row[past:end])
				clear(drow[past:end])
			}
		}
		if g.bf16 {
			sc.att.products(g, dqh, qw, p, ds)
			continue
		}
		for t := 0; t < n; t += backBlock {
			m, q0 := min(backBlock, n-t), t // the first query that sees these keys
			if spec.Encoder {
				q0 = 0
			}
			l.GemmF32(dqh[t*qw:], qw, ds[t*ld:], ld, 1, kh, kw, m, hd, g.seen(t+m-1, n), true)
			l.GemmF32(dkh[t*kw:], kw, ds[q0*ld+t:], 1, ld, qh[q0*qw:], qw, m, hd, n-q0, true)
			l.GemmF32(dvh[t*kw:], kw, p[q0*ld+t:], 1, ld, doh[q0*qw:], qw, m, hd, n-q0, true)
		}
	}
	if g.bf16 {
		sc.att.end(g, dkh, dvh, kw)
	}
}
