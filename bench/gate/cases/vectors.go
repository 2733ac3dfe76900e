package cases

import (
	"fmt"
	"math/rand/v2"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	for _, a := range []struct {
		headDim, queries int
		kv               string
	}{{64, 3, "f16"}, {64, 3, "q8_0"}, {64, 12, "f16"}, {64, 12, "f32"}, {64, 12, "q8_0"}, {128, 6, "f16"}} {
		pieces = append(pieces, piece{fmt.Sprintf("AttendPage/headDim=%d/queries=%d/%s", a.headDim, a.queries, a.kv),
			attendPage(a.headDim, a.queries, a.kv)})
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

// attendPage is queries against a full page of keys and values in f32, f16 or q8_0.
func attendPage(headDim, queries int, kv string) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil {
			return nil, err
		}
		a := &kernels.AttnPage{HeadDim: headDim, NQ: queries, Q: normals(r, queries*headDim), Lo: room[int32](queries), Hi: room[int32](queries),
			Scale: 0.125, P: room[float32](queries * kernels.PageKeys), Out: room[float32](queries * headDim),
			Max: room[float32](queries), Sum: room[float32](queries), B: room[float32](kernels.ManyRoom)}
		for i := range a.Hi {
			a.Hi[i] = kernels.PageKeys
		}
		k, v := normals(r, kernels.PageKeys*headDim), normals(r, kernels.PageKeys*headDim)
		switch kv {
		case "f32":
			a.K32, a.V32 = k, v
		case "f16":
			a.K16, a.V16 = room[uint16](len(k)), room[uint16](len(v))
			l.F32ToF16(a.K16, k)
			l.F32ToF16(a.V16, v)
		case "q8_0":
			a.K8, a.V8, a.D = room[int8](len(k)), room[int8](len(v)), room[float32](kernels.Q8Room(headDim))
			a.KD, a.VD = room[uint16](len(k)/32), room[uint16](len(v)/32)
			for i := range k {
				a.K8[i], a.V8[i] = int8(40*k[i]), int8(40*v[i])
			}
			for i := range a.KD {
				a.KD[i], a.VD[i] = 0x2400, 0x2400 // 2^-6
			}
		}
		return func() { l.AttendPage(a) }, nil
	}
}
