package kernels

import (
	"math"
	"math/rand/v2"
	std "slices" // slices is a func of this package
	"testing"
)

// routers are all kinds of router.
var routers = []Router{
	{GateSoftmax, false, 0}, {GateSoftmax, true, 2.5}, {GateSigmoid, false, 1}, {GateSigmoid, true, 1.5}, {GateChosen, false, 0.5},
}

// route is Level.Route in float64; chosen nil = to be found out.
func route(x, bias []float32, n int, r Router, chosen []int) (ids []int, w []float64) {
	p, sum := make([]float64, len(x)), 0.0
	for i, v := range x {
		switch r.Gating {
		case GateSoftmax:
			p[i] = math.Exp(float64(v))
			sum += p[i]
		case GateSigmoid:
			p[i] = 1 / (1 + math.Exp(-float64(v)))
		case GateChosen:
			p[i] = float64(v)
		}
	}
	if r.Gating == GateSoftmax {
		for i := range p {
			p[i] /= sum
		}
	}
	if ids = chosen; ids == nil {
		for i := range x {
			ids = append(ids, i)
		}
		std.SortStableFunc(ids, func(a, b int) int {
			x, y := p[a], p[b]
			if bias != nil {
				x, y = x+float64(bias[a]), y+float64(bias[b])
			}
			switch {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		ids = ids[:n]
		std.Sort(ids)
	}
	sum = 0
	for _, e := range ids {
		v := p[e]
		if r.Gating == GateChosen {
			v = math.Exp(v)
		}
		w = append(w, v)
		sum += v
	}
	for i := range w {
		if r.Norm || r.Gating == GateChosen {
			w[i] /= sum
		}
		if r.Scale != 0 {
			w[i] *= float64(r.Scale)
		}
	}
	return ids, w
}

// Choice and weights are those of the definition in float64, by every kind of router, with a bias and without, and have the
// same bits on every level.
func TestRoute(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for _, r := range routers {
		for _, size := range [][2]int{{1, 1}, {4, 2}, {8, 8}, {60, 4}, {128, 8}} {
			n := size[1]
			x, bias := make([]float32, size[0]), make([]float32, size[0])
			fillNormal(rnd, x, 2)
			fillNormal(rnd, bias, 0.5)
			for _, b := range [][]float32{nil, bias} {
				want, weights := route(x, b, n, r, nil)
				var first []float32
				for _, l := range Levels() {
					out := make([]float32, 2*n)
					l.Route(out, x, b, &r, make([]float32, 2*len(x)))
					for k := range want {
						if out[k] != float32(want[k]) || math.Abs(float64(out[n+k])-weights[k]) > 1e-6 {
							t.Fatalf("%s, %+v, %d of %d: experts %v with weights %v, want %v, %v", l.Name, r, n, size[0], out[:n], out[n:], want, weights)
						}
					}
					if first == nil {
						first = out
					}
					if !std.Equal(out, first) {
						t.Errorf("%s, %+v: %v, want %v", l.Name, r, out, first)
					}
				}
			}
		}
	}
}

// Of equal probabilities the lower expert is chosen; a NaN neither hangs nor chooses an expert twice.
func TestRouteTies(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct{ x, want []float32 }{
		{[]float32{1, 3, 2, 3, 3, 2}, []float32{1, 3}},
		{[]float32{0, 0, 0}, []float32{0, 1}},
		{[]float32{2, 1, 2, 1}, []float32{0, 2}},
		{[]float32{1, 1, 2, 1}, []float32{0, 2}},
		{[]float32{nan, nan, nan}, []float32{0, 1}},
	} {
		out := make([]float32, 4)
		portable.Route(out, c.x, nil, &Router{Gating: GateChosen}, make([]float32, 2*len(c.x)))
		if !std.Equal(out[:2], c.want) {
			t.Errorf("of logits %v experts %v are chosen, want %v", c.x, out[:2], c.want)
		}
	}
}

// The gradient of the logits is the slope of a weighted sum of the weights, the choice kept.
func TestRouteBack(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	for _, r := range routers {
		const experts, n = 9, 3
		x, dw, dx := make([]float32, experts), make([]float32, n), make([]float32, experts)
		fillNormal(rnd, x, 1)
		fillNormal(rnd, dw, 1)
		fillNormal(rnd, dx, 1)
		before := std.Clone(dx)
		out := make([]float32, 2*n)
		portable.Route(out, x, nil, &r, make([]float32, 2*experts))
		portable.RouteBack(dx, dw, x, out, &r, make([]float32, experts+n))
		var ids []int
		for _, e := range out[:n] {
			ids = append(ids, int(e))
		}
		value := func(i int, h float32) (s float64) {
			moved := std.Clone(x)
			moved[i] += h
			_, w := route(moved, nil, n, r, ids)
			for k := range w {
				s += w[k] * float64(dw[k])
			}
			return s
		}
		for i := range x {
			const h = 1.0 / 256
			want := float64(before[i]) + (value(i, h)-value(i, -h))/(2*h)
			if !(math.Abs(float64(dx[i])-want) <= 5e-5) {
				t.Errorf("%+v: gradient of logit %d is %g, want %g (chosen %v)", r, i, dx[i], want, ids)
			}
		}
	}
}
