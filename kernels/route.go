package kernels

import "math"

// A router gives a token experts and their weights. Like what is in derived.go it has one body for all levels, made of a
// level's Exp and sums.

// Router says how a row's logits, one an expert, choose experts and give them weights; see Level.Route.
type Router struct {
	Gating Gating
	Norm   bool    // weights add up to 1
	Scale  float32 // of the weights; 0 = 1
}

// Gating is what makes probabilities of a router's logits; the values are those of llama.cpp's expert_gating_func.
type Gating uint8

const (
	GateSoftmax Gating = 1 // over all experts
	GateSigmoid Gating = 2
	GateChosen  Gating = 3 // softmax over the chosen alone
)

// minWeights is the least that weights are divided by with Norm: the smallest normal number of half precision.
const minWeights = 1.0 / (1 << 14)

// Route fills out with the n = len(out)/2 chosen experts in rising order and then their weights. bias [experts] is added to
// what experts are chosen by; nil = none. tmp holds 2*len(x).
//
//	softmax: p = exp(x - max x) / sum;  sigmoid: p = 1/(1 + exp(-x));  chosen: p = x
//	chosen are the n largest of float32(p + bias), of equal ones the lower number
//	w = p of the chosen;  chosen: w = exp(w - max w) / sum;  Norm: w /= max(sum of w, 2^-14);  w *= Scale
//
// Sums are 16 lanes over rising experts.
func (l *Level) Route(out, x, bias []float32, r *Router, tmp []float32) {
	n := len(out) / 2
	p, by := tmp[:len(x)], tmp[len(x):2*len(x)]
	l.gate(p, x, r.Gating)
	copy(by, p)
	if bias != nil {
		l.Add(by, bias)
	}
	ids, w := out[:n], out[n:2*n]
	taken := float32(math.NaN())
	for k := range ids {
		best := -1
		for e, v := range by {
			if best < 0 && v == v || best >= 0 && v > by[best] {
				best = e
			}
		}
		if best < 0 { // NaN is left: what follows is NaN too, and is found
			best = firstFree(ids[:k])
		}
		by[best] = taken
		at := k
		for ; at > 0 && ids[at-1] > float32(best); at-- {
			ids[at] = ids[at-1]
		}
		ids[at] = float32(best)
	}
	for k, e := range ids {
		w[k] = p[int(e)]
	}
	if r.Gating == GateChosen {
		l.Div(w, l.SoftmaxExp(w, w, l.Max(w)))
	}
	if r.Norm {
		l.Div(w, max(l.Sum(w), minWeights))
	}
	if r.Scale != 0 && r.Scale != 1 {
		l.Scale(w, r.Scale)
	}
}

// gate gives p of the logits x.
func (l *Level) gate(p, x []float32, g Gating) {
	switch g {
	case GateSoftmax:
		l.Div(p, l.SoftmaxExp(p, x, l.Max(x)))
	case GateSigmoid:
		l.Sigmoid(p, x)
	case GateChosen:
		copy(p, x)
	default:
		panic("kernels: a router's gating is not known")
	}
}

// Sigmoid is 1/(1 + exp(-x)); dst may be x.
func (l *Level) Sigmoid(dst, x []float32) {
	for i, v := range x {
		dst[i] = -v
	}
	l.Exp(dst, dst)
	for i, e := range dst {
		dst[i] = 1 / (1 + e)
	}
}

// firstFree is the lowest number that is not in rising ids.
func firstFree(ids []float32) int {
	for k, e := range ids {
		if e != float32(k) {
			return k
		}
	}
	return len(ids)
}

// RouteBack adds to dx the gradient of the logits x from that of the weights, dw [n], given what Route made of them. What
// is chosen is taken as given. tmp holds len(x) + n.
//
// With u the weights before Scale and du = Scale*dw:
//
//	over all:                      dx_j = p_j ([j chosen] du_j - sum over the chosen of p_i du_i)
//	over the chosen, or with Norm: dx_i = u_i (du_i - sum u_j du_j), and for sigmoids times (1 - p_i)
//	sigmoid alone:                 dx_i = p_i (1 - p_i) du_i
func (l *Level) RouteBack(dx, dw, x, out []float32, r *Router, tmp []float32) {
	n := len(dw)
	ids, p, u := out[:n], tmp[:len(x)], tmp[len(x):len(x)+n]
	scale := r.Scale
	if scale == 0 {
		scale = 1
	}
	copy(u, out[n:2*n])
	l.Div(u, scale)
	along := float32(l.Dot(u, dw) * scale)
	l.gate(p, x, r.Gating)
	switch {
	case r.Gating == GateSigmoid && !r.Norm:
		for k, e := range ids {
			v := p[int(e)]
			dx[int(e)] += float32(float32(v*(1-v)) * float32(dw[k]*scale))
		}
	case r.Gating == GateSoftmax && !r.Norm:
		l.Axpy(dx, -along, p)
		for k, e := range ids {
			dx[int(e)] += float32(p[int(e)] * float32(dw[k]*scale))
		}
	default:
		for k, e := range ids {
			d := float32(u[k] * (float32(dw[k]*scale) - along))
			if r.Gating == GateSigmoid {
				d = float32(d * (1 - p[int(e)]))
			}
			dx[int(e)] += d
		}
	}
}
