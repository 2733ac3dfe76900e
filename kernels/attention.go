package kernels

import (
	"math"
	"unsafe"
)

// PageKeys is the number of keys in a page of the KV cache, aligned to the absolute position. It is also the unit of
// cache sharing.
const PageKeys = 256

// ManyRoom is the length of AttnPage.B.
const ManyRoom = 128 * 64

// AttnPage is the work of NQ queries against one page of one KV head. Queries may come from several tokens and from
// the heads that share the KV head. K and V are of one type, the fields of the other types are nil.
type AttnPage struct {
	HeadDim  int       // a multiple of 8; of 32 for K8, V8
	K32, V32 []float32 // K [PageKeys/16, HeadDim, 16]: 16 keys side by side; V [PageKeys, HeadDim]
	K16, V16 []uint16  // the same in IEEE half precision
	K8, V8   []int8    // codes of q8_0, where Q8Key and Q8Value say: the value is code times scale, exact in f32
	KD, VD   []uint16  // [HeadDim/32, PageKeys] scales of K8 and V8 in IEEE half precision, not negative, of 32 values of one key each
	Next     []uint16  // memory of the head that is read after this one, K, V and scales as they lie there: a hint; nil = not known
	NQ       int
	Q        []float32 // [NQ, HeadDim]
	Lo, Hi   []int32   // [NQ] query i sees keys Lo[i] <= j < Hi[i] of this page; none when Lo[i] >= Hi[i]
	Scale    float32
	Cap      float32   // scores are capped to Cap*tanh(s/Cap), see SoftCap; 0 = not
	Slope    []float32 // [NQ] for each position between a query and a key this is taken from the score; nil = nothing
	At       []int32   // [NQ] with Slope: the query's own position, counted from this page's first key
	P        []float32 // scratch [NQ, PageKeys]
	D        []float32 // scratch [Q8Room(HeadDim)] with K8, V8, else not used
	B        []float32 // scratch [ManyRoom]: some of K16 or V16 in f32 where there are many queries; nil = queries share less
	Out      []float32 // [NQ, HeadDim] sum of p*v, not yet divided by Sum
	Max, Sum []float32 // [NQ]; a query that sees no key gets -Inf, 0 and a zero Out
}

// attendPage is the specification of Level.AttendPage. For each query:
//
//	s_j   = float32(chain_d fma(q_d, k_jd) * scale), capped if Cap > 0, minus float32(slope * |at - j|)
//	max   = max_j s_j (a zero is +0);  p_j = exp(s_j - max);  sum = 16 virtual lanes (lane j mod 16), fixed tree
//	out_d = chain over rising j of fma(p_j, v_jd)
//
// Over q8_0 the chain of a score and out_d are those of attend_q8.go.
func attendPage(a *AttnPage) {
	hd := a.HeadDim
	var codes []int16 // of a query over q8_0
	var scales []float32
	if a.K8 != nil {
		n := hd / ActBlock
		scales, codes = a.D[:n], unsafe.Slice((*int16)(unsafe.Pointer(&a.D[n : n+hd/2][0])), hd)
	}
	for i := 0; i < a.NQ; i++ {
		q := a.Q[i*hd : i*hd+hd]
		p := a.P[i*PageKeys : (i+1)*PageKeys]
		out := a.Out[i*hd : i*hd+hd]
		clear(out)
		lo, hi := int(a.Lo[i]), int(a.Hi[i])
		max := float32(math.Inf(-1))
		a.Max[i], a.Sum[i] = max, 0
		if lo >= hi {
			continue
		}
		for b := range scales {
			scales[b] = round16(codes[b*ActBlock:][:ActBlock], q[b*ActBlock:][:ActBlock])
		}
		for j := lo; j < hi; j++ {
			var acc float32
			if a.K8 != nil {
				acc = a.score8(codes, scales, j)
			} else {
				for d := 0; d < hd; d++ {
					acc = FMA32(q[d], a.key(j, d), acc)
				}
			}
			s := float32(acc * a.Scale)
			if a.Cap > 0 {
				s = softCap1(s, a.Cap)
			}
			p[j] = s
		}
		if a.Slope != nil {
			Distance(p[lo:hi], 1, a.Slope[i], int(a.At[i])-lo)
		}
		for j := lo; j < hi; j++ {
			if p[j] > max {
				max = p[j]
			}
		}
		if max == 0 {
			max = 0 // not -0, whatever the order of comparison
		}
		var lanes [16]float32
		for j := lo; j < hi; j++ {
			p[j] = Exp32(p[j] - max)
			lanes[j%16] += p[j]
		}
		if a.V8 != nil {
			a.values8(out, p, lo, hi)
		} else {
			for j := lo; j < hi; j++ {
				for d := range out {
					out[d] = FMA32(p[j], a.value(j, d), out[d])
				}
			}
		}
		a.Max[i], a.Sum[i] = max, tree16(&lanes)
	}
}

// Distance is ALiBi (Press et al., arXiv:2108.12409) on the scores of consecutive keys, of which the one at index at has the
// query's own position: s_j = float32(s_j*scale) - float32(slope * |at-j|).
func Distance(s []float32, scale, slope float32, at int) {
	for j, v := range s {
		d := at - j
		if d < 0 {
			d = -d
		}
		s[j] = float32(v*scale) - float32(slope*float32(d))
	}
}

// key is element d of key j.
func (a *AttnPage) key(j, d int) float32 {
	at := (j/16*a.HeadDim+d)*16 + j%16
	if a.K32 != nil {
		return a.K32[at]
	}
	return F16ToF32(a.K16[at])
}

// value is element d of value j.
func (a *AttnPage) value(j, d int) float32 {
	at := j*a.HeadDim + d
	if a.V32 != nil {
		return a.V32[at]
	}
	return F16ToF32(a.V16[at])
}

// attendMerge is the specification of Level.AttendMerge; pages are merged in rising order. A side that saw no key
// (sum 0) leaves the other as it is.
//
//	m = max(max, pmax); a = exp(max-m); b = exp(pmax-m)
//	out = fma(pout, b, float32(out*a)); sum = fma(psum, b, float32(sum*a))
func attendMerge(out []float32, max, sum float32, pout []float32, pmax, psum float32) (float32, float32) {
	if psum == 0 {
		return max, sum
	}
	if sum == 0 {
		copy(out, pout)
		return pmax, psum
	}
	m, down, pdown := mergeDown(max, pmax)
	a, b := Exp32(down), Exp32(pdown)
	for d := range out {
		out[d] = FMA32(pout[d], b, float32(out[d]*a))
	}
	return m, FMA32(psum, b, float32(sum*a))
}

// mergeDown gives the larger maximum and each one's distance to it, at most 0: 0 for the larger itself, also where it is infinite.
func mergeDown(max, pmax float32) (m, down, pdown float32) {
	m = max
	if pmax > m {
		m = pmax
	}
	if max != m {
		down = max - m
	}
	if pmax != m {
		pdown = pmax - m
	}
	return m, down, pdown
}
