package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/models"
)

// Attention over several pages, with windows, caps and sinks, against its definition in float64.
func TestAttention(t *testing.T) {
	const hd, heads, kvHeads = 8, 2, 1
	for _, c := range []struct {
		lengths   []int
		window    int
		scoresCap float32
		sinks     []float32
		all       bool // every token sees every other
	}{{[]int{5, 600}, 0, 0, nil, false}, {[]int{600, 3}, 12, 0, nil, false}, {[]int{700}, 300, 0, nil, false}, {[]int{300}, 1, 2, nil, false}, {[]int{520}, 256, 1.5, nil, false},
		{[]int{270}, 1000, 0.5, nil, false}, {[]int{300, 7}, 0, 0, []float32{0.5, 6}, false}, {[]int{520}, 9, 1, []float32{-1, 0}, false},
		{[]int{5, 600, 1, 64}, 0, 0, nil, true}, {[]int{300, 7}, 0, 2, []float32{0.5, 6}, true}} {
		t.Run(fmt.Sprintf("lengths %v window %d cap %g sinks %v all %v", c.lengths, c.window, c.scoresCap, c.sinks, c.all), func(t *testing.T) {
			spec := &models.Spec{HeadDim: hd, Heads: heads, KVHeads: kvHeads, AttnScale: 0.7, AttnCap: c.scoresCap, Encoder: c.all}
			b := &Batch{}
			for _, n := range c.lengths {
				b.Add(make([]int32, n))
			}
			op := &models.Op{Window: c.window}
			sinks := &Param{W: c.sinks, G: make([]float32, len(c.sinks))}
			if c.sinks != nil {
				op.W = "sinks"
			}
			g := &Graph{student: &Student{Spec: spec, byName: map[string]*Param{"sinks": sinks}}, level: best(t), par: goParallel(2), scratch: []*scratch{{}, {}}, batch: b}
			r := rand.New(rand.NewPCG(41, 41))
			n := len(b.Tokens)
			random := func(width int) []float32 {
				x := make([]float32, n*width)
				for i := range x {
					x[i] = float32(r.NormFloat64())
				}
				return x
			}
			q, k, v, dout := random(heads*hd), random(kvHeads*hd), random(kvHeads*hd), random(heads*hd)
			out := make([]float32, n*heads*hd)
			var st attState
			g.attend(&st, op, out, q, k, v)

			dot := func(x, y []float32) (s float64) {
				for i := range x {
					s += float64(x[i]) * float64(y[i])
				}
				return s
			}
			dq, dk, dv, dsinks := make([]float64, len(q)), make([]float64, len(k)), make([]float64, len(v)), make([]float64, len(c.sinks))
			worst := 0.0
			for s := range b.Seqs() {
				for i := b.Start[s]; i < b.Start[s+1]; i++ {
					first := b.Start[s]
					if c.window > 0 {
						first = max(first, i+1-c.window)
					}
					for h := range heads {
						at := (i*heads + h) * hd
						qi, do := q[at:at+hd], dout[at:at+hd]
						var p, slope, dp []float64
						sum, mean, last := 0.0, 0.0, i
						if c.all {
							last = b.Start[s+1] - 1
						}
						for j := first; j <= last; j++ {
							score, sl := dot(qi, k[j*hd:j*hd+hd])*float64(spec.AttnScale), 1.0
							if limit := float64(c.scoresCap); limit > 0 {
								th := math.Tanh(score / limit)
								score, sl = limit*th, 1-th*th
							}
							e := math.Exp(score)
							p, slope, dp = append(p, e), append(slope, sl), append(dp, dot(do, v[j*hd:j*hd+hd]))
							sum += e
						}
						if c.sinks != nil {
							sum += math.Exp(float64(c.sinks[h]))
						}
						want := make([]float64, hd)
						for x := range p {
							p[x] /= sum
							mean += p[x] * dp[x]
						}
						if c.sinks != nil {
							dsinks[h] -= math.Exp(float64(c.sinks[h])) / sum * mean
						}
						for x := range p {
							j := first + x
							ds := p[x] * (dp[x] - mean) * slope[x] * float64(spec.AttnScale)
							for d := range hd {
								want[d] += p[x] * float64(v[j*hd+d])
								dq[at+d] += ds * float64(k[j*hd+d])
								dk[j*hd+d] += ds * float64(qi[d])
								dv[j*hd+d] += p[x] * float64(do[d])
							}
						}
						for d := range hd {
							worst = max(worst, math.Abs(want[d]-float64(out[at+d])))
						}
					}
				}
			}
			if !(worst <= 5e-6) {
				t.Errorf("attention is off by %g", worst)
			}
			gq, gk, gv := make([]float32, len(q)), make([]float32, len(k)), make([]float32, len(v))
			g.attendBack(&st, op, gq, gk, gv, dout, out, q, k, v)
			for _, grad := range []struct {
				name string
				got  []float32
				want []float64
			}{{"queries", gq, dq}, {"keys", gk, dk}, {"values", gv, dv}, {"sinks", sinks.G, dsinks}} {
				var diff, norm float64
				for i, w := range grad.want {
					diff += (float64(grad.got[i]) - w) * (float64(grad.got[i]) - w)
					norm += w * w
				}
				if rel := math.Sqrt(diff / math.Max(norm, 1e-30)); !(rel <= 2e-6) && norm > 1e-20 {
					t.Errorf("the gradient of %s is off by %g relative L2", grad.name, rel)
				}
			}
		})
	}
}

// Attention's backward in bf16 is near that in f32, whose test is above, and the same for any number of workers.
func TestAttentionBF16(t *testing.T) {
	for _, level := range bf16Levels(t) {
		for _, c := range []struct {
			lengths            []int
			hd, heads, kvHeads int
			window             int
			scoresCap          float32
			all                bool // every token sees every other
		}{{[]int{150, 1, 70}, 40, 6, 2, 0, 0, false}, {[]int{3, 257}, 64, 2, 2, 0, 0, false}, {[]int{200}, 8, 3, 1, 33, 0, false}, {[]int{130}, 96, 1, 1, 0, 2, false},
			{[]int{150, 1, 64, 257}, 40, 6, 2, 0, 0, true}, {[]int{130}, 96, 1, 1, 0, 2, true}} {
			spec := &models.Spec{HeadDim: c.hd, Heads: c.heads, KVHeads: c.kvHeads, AttnScale: 0.3, AttnCap: c.scoresCap, Encoder: c.all}
			b := &Batch{}
			for _, n := range c.lengths {
				b.Add(make([]int32, n))
			}
			n, op := len(b.Tokens), &models.Op{Window: c.window}
			r := rand.New(rand.NewPCG(42, 42))
			q, dout := normal(r, n*c.heads*c.hd, 1), normal(r, n*c.heads*c.hd, 1)
			k, v := normal(r, n*c.kvHeads*c.hd, 1), normal(r, n*c.kvHeads*c.hd, 1)
			before := [3][]float32{normal(r, len(q), 1), normal(r, len(k), 1), normal(r, len(v), 1)} // gradients are added
			run := func(bf16 bool, workers int) (d [3][]float32) {
				g := &Graph{student: &Student{Spec: spec}, level: level, par: goParallel(workers), batch: b, bf16: bf16}
				for range workers {
					g.scratch = append(g.scratch, &scratch{att: &attendBF16{}})
				}
				for i, x := range before {
					d[i] = slices.Clone(x)
				}
				var st attState
				out := make([]float32, len(q))
				g.attend(&st, op, out, q, k, v)
				g.attendBack(&st, op, d[0], d[1], d[2], dout, out, q, k, v)
				return d
			}
			want, got, again := run(false, 1), run(true, 1), run(true, 3)
			for i, name := range []string{"q", "k", "v"} {
				what := fmt.Sprintf("%s, %+v: gradient of %s", level.Name, c, name)
				for x := range want[i] {
					want[i][x] -= before[i][x]
				}
				moved := slices.Clone(got[i])
				for x := range moved {
					moved[x] -= before[i][x]
				}
				if d := relativeL2(moved, want[i]); !(d <= 0.01) || d == 0 {
					t.Errorf("%s is %g from the f32 one, want near and not equal", what, d)
				}
				sameBits(t, what, again[i], got[i])
			}
		}
	}
}
