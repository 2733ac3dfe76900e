package cases

import (
	"fmt"
	"math/rand/v2"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	for _, a := range []struct {
		headDim, queries int
		half             bool
	}{{64, 3, true}, {64, 12, true}, {64, 12, false}, {128, 6, true}} {
		pieces = append(pieces, piece{fmt.Sprintf("AttendPage/headDim=%d/queries=%d/f16=%t", a.headDim, a.queries, a.half),
			attendPage(a.headDim, a.queries, a.half)})
	}
	const n = 1536
	pieces = append(pieces,
		vector("Quantize", func(l *kernels.Level, r *rand.Rand) func() {
			a, x := kernels.NewActs(1, n), normals(r, n)
			return func() { l.Quantize(a, 0, 1, 0, x) }
		}),
		vector("RMSNorm", func(l *kernels.Level, r *rand.Rand) func() {
			dst, x, w := room[float32](n), normals(r, n), normals(r, n)
			return func() { l.RMSNorm(dst, x, w, 1e-5) }
		}),
		vector("SwiGLU", func(l *kernels.Level, r *rand.Rand) func() {
			dst, gate, up := room[float32](n), normals(r, n), normals(r, n)
			return func() { l.SwiGLU(dst, gate, up) }
		}),
		vector("Rope", func(l *kernels.Level, r *rand.Rand) func() {
			const headDim = 64
			x, cos, sin := normals(r, headDim*16), normals(r, headDim/2), normals(r, headDim/2)
			for i := range cos { // cos² + sin² = 1 nearly, so that repeating does not blow x up
				cos[i], sin[i] = 0.8, 0.6
			}
			return func() {
				for i := 0; i < len(x); i += headDim {
					l.Rope(x[i:i+headDim], cos, sin, true)
				}
			}
		}),
		vector("SoftmaxExp", func(l *kernels.Level, r *rand.Rand) func() {
			dst, x := room[float32](n), normals(r, n)
			return func() { l.SoftmaxExp(dst, x, 4) }
		}),
		vector("AdamW", func(l *kernels.Level, r *rand.Rand) func() {
			w, g, m, v := normals(r, n), normals(r, n), room[float32](n), room[float32](n)
			step := &kernels.AdamWStep{GradScale: 1, Beta1: 0.9, Beta2: 0.99, LR: 1e-6, InvSqrtBias2: 1, Eps: 1e-8, Decay: 1}
			return func() { l.AdamW(w, g, m, v, step) }
		}))
}

func vector(name string, ready func(l *kernels.Level, r *rand.Rand) func()) piece {
	return piece{name, func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil {
			return nil, err
		}
		return ready(l, r), nil
	}}
}

// attendPage is queries against a full page.
func attendPage(headDim, queries int, half bool) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil {
			return nil, err
		}
		a := &kernels.AttnPage{HeadDim: headDim, NQ: queries, Q: normals(r, queries*headDim), Lo: room[int32](queries), Hi: room[int32](queries),
			Scale: 0.125, P: room[float32](queries * kernels.PageKeys), Out: room[float32](queries * headDim),
			Max: room[float32](queries), Sum: room[float32](queries)}
		for i := range a.Hi {
			a.Hi[i] = kernels.PageKeys
		}
		k, v := normals(r, kernels.PageKeys*headDim), normals(r, kernels.PageKeys*headDim)
		if half {
			a.K16, a.V16 = room[uint16](len(k)), room[uint16](len(v))
			l.F32ToF16(a.K16, k)
			l.F32ToF16(a.V16, v)
		} else {
			a.K32, a.V32 = k, v
		}
		return func() { l.AttendPage(a) }, nil
	}
}
