package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// derivedOps are the functions made of others; TestVectors runs them with vectorOps.
var derivedOps = []vectorOp{
	{"SoftCap", 1, func(l *Level, s [][]float32, a float32) []float32 { l.SoftCap(s[0], 30*a); return nil }},
	{"SoftCapBack", 2, func(l *Level, s [][]float32, a float32) []float32 { l.SoftCapBack(s[0], s[1], 30*a); return nil }},
	{"GELU", 2, func(l *Level, s [][]float32, a float32) []float32 { l.GELU(s[0], s[1]); return nil }},
	{"GELU in place", 1, func(l *Level, s [][]float32, a float32) []float32 { l.GELU(s[0], s[0]); return nil }},
	{"GELUBack", 3, func(l *Level, s [][]float32, a float32) []float32 { l.GELUBack(s[0], s[1], s[2]); return nil }},
	{"GeGLUBack", 5, func(l *Level, s [][]float32, a float32) []float32 {
		l.GeGLUBack(s[0], s[1], s[2], s[3], s[4])
		return nil
	}},
	{"ClampedSwiGLU", 4, func(l *Level, s [][]float32, a float32) []float32 {
		l.ClampedSwiGLU(s[0], s[1], s[2], s[3])
		return nil
	}},
	{"ClampedSwiGLU in place", 2, func(l *Level, s [][]float32, a float32) []float32 {
		l.ClampedSwiGLU(s[0], s[0], s[1], s[1])
		return nil
	}},
	{"ClampedSwiGLUBack", 5, func(l *Level, s [][]float32, a float32) []float32 {
		l.ClampedSwiGLUBack(s[0], s[1], s[2], s[3], s[4], make([]float32, 2*len(s[0])))
		return nil
	}},
	{"Sigmoid", 2, func(l *Level, s [][]float32, a float32) []float32 { l.Sigmoid(s[0], s[1]); return nil }},
	{"LayerNorm", 4, func(l *Level, s [][]float32, a float32) []float32 {
		l.LayerNorm(s[0], s[1], s[2], s[3], a*1e-5)
		return nil
	}},
	{"LayerNorm in place", 3, func(l *Level, s [][]float32, a float32) []float32 {
		l.LayerNorm(s[0], s[0], s[1], s[2], a*1e-5)
		return nil
	}},
	{"LayerNorm without weight and bias", 2, func(l *Level, s [][]float32, a float32) []float32 {
		l.LayerNorm(s[0], s[1], nil, nil, a*1e-5)
		return nil
	}},
	{"ReLU2", 2, func(l *Level, s [][]float32, a float32) []float32 { l.ReLU2(s[0], s[1]); return nil }},
	{"ReLU2Back", 3, func(l *Level, s [][]float32, a float32) []float32 { l.ReLU2Back(s[0], s[1], s[2]); return nil }},
	{"Clamp", 2, func(l *Level, s [][]float32, a float32) []float32 { l.Clamp(s[0], s[1], a); return nil }},
	{"ClampBack", 3, func(l *Level, s [][]float32, a float32) []float32 { l.ClampBack(s[0], s[1], s[2], a); return nil }},
	{"LayerNormBack", 6, func(l *Level, s [][]float32, a float32) []float32 {
		l.LayerNormBack(s[0], s[1], s[2], s[3], s[4], s[5], a*1e-5, make([]float32, 2*len(s[0])))
		return nil
	}},
}

// The functions against their definitions in float64, and the gradients against their slopes.
func TestDerivedValues(t *testing.T) {
	l := &portable
	gelu := func(x float64) float64 {
		return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	near := func(what string, x, got, want, tol float64) {
		t.Helper()
		if !(math.Abs(got-want) <= tol) {
			t.Errorf("%s of %g is %g, want %g", what, x, got, want)
		}
	}
	for x := -12.0; x <= 12; x += 0.37 {
		v := float32(x)
		x := float64(v)
		y, d := []float32{v}, []float32{1}
		l.SoftCap(y, 5)
		near("SoftCap", x, float64(y[0]), 5*math.Tanh(x/5), 2e-6)
		if y[0] != softCap1(v, 5) {
			t.Errorf("softCap1(%g) is %g, SoftCap gives %g", x, softCap1(v, 5), y[0])
		}
		l.SoftCapBack(d, y, 5)
		near("SoftCapBack", x, float64(d[0]), 1-math.Pow(math.Tanh(x/5), 2), 2e-6)
		g := []float32{0}
		l.GELU(g, []float32{v})
		near("GELU", x, float64(g[0]), gelu(x), 2e-6)
		const h = 1e-4
		slope := (gelu(x+h) - gelu(x-h)) / (2 * h)
		l.GELUBack(g, []float32{3}, []float32{v})
		near("GELUBack", x, float64(g[0]), 3*slope, 1e-5)
		l.ReLU2(g, []float32{v})
		near("ReLU2", x, float64(g[0]), math.Pow(math.Max(x, 0), 2), 2e-5)
		l.ReLU2Back(g, []float32{3}, []float32{v})
		near("ReLU2Back", x, float64(g[0]), 6*math.Max(x, 0), 2e-5)
		l.Clamp(g, []float32{v}, 4)
		near("Clamp", x, float64(g[0]), math.Max(-4, math.Min(x, 4)), 0)
		l.ClampBack(g, []float32{3}, []float32{v}, 4)
		near("ClampBack", x, float64(g[0]), map[bool]float64{true: 3}[math.Abs(x) <= 4], 0)
		up := []float32{0}
		l.GeGLUBack(g, up, []float32{3}, []float32{v}, []float32{-2})
		near("GeGLUBack gate", x, float64(g[0]), -6*slope, 1e-5)
		near("GeGLUBack up", x, float64(up[0]), 3*gelu(x), 1e-5)
	}

	const n, eps = 37, 1e-3
	r := rand.New(rand.NewPCG(22, 22))
	x, w, b, dy := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	for _, s := range [][]float32{x, w, b, dy} {
		fillNormal(r, s, 1)
	}
	norm := func(x []float64) (y []float64) {
		mean, sq := 0.0, 0.0
		for _, v := range x {
			mean += v / n
		}
		for _, v := range x {
			sq += (v - mean) * (v - mean) / n
		}
		for i, v := range x {
			y = append(y, (v-mean)/math.Sqrt(sq+eps)*float64(w[i])+float64(b[i]))
		}
		return y
	}
	wide := func(x []float32) (y []float64) {
		for _, v := range x {
			y = append(y, float64(v))
		}
		return y
	}
	y, dx, dw, db := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	l.LayerNorm(y, x, w, b, eps)
	l.LayerNormBack(dx, dw, db, dy, x, w, eps, make([]float32, 2*n))
	for i, want := range norm(wide(x)) {
		near("LayerNorm", float64(x[i]), float64(y[i]), want, 1e-5)
		const h = 1e-5
		lo, hi := wide(x), wide(x)
		lo[i] -= h
		hi[i] += h
		slope := 0.0
		up, down := norm(hi), norm(lo)
		for j := range up {
			slope += float64(dy[j]) * (up[j] - down[j]) / (2 * h)
		}
		near("LayerNormBack dx", float64(i), float64(dx[i]), slope, 1e-5)
		near("LayerNormBack dw", float64(i), float64(dw[i]), float64(dy[i])*(want-float64(b[i]))/float64(w[i]), 1e-4)
		near("LayerNormBack db", float64(i), float64(db[i]), float64(dy[i]), 0)
	}
}

// gpt-oss's activation against its definition in float64, on both sides of both limits, and the gradients against the slopes.
func TestClampedSwiGLU(t *testing.T) {
	l := &portable
	f := func(g, u float64) float64 {
		g, u = math.Min(g, 7), math.Max(-7, math.Min(u, 7))
		return g / (1 + math.Exp(-1.702*g)) * (u + 1)
	}
	const h, dy = 1e-5, 3
	for g := -9.97; g < 9; g += 0.71 {
		for u := -9.95; u < 9; u += 0.83 {
			gate, up := []float32{float32(g)}, []float32{float32(u)}
			g, u := float64(gate[0]), float64(up[0])
			y, dg, du := []float32{0}, []float32{0}, []float32{0}
			l.ClampedSwiGLU(y, gate, up, []float32{0})
			l.ClampedSwiGLUBack(dg, du, []float32{dy}, gate, up, make([]float32, 2))
			for _, c := range []struct {
				what      string
				got, want float64
			}{
				{"value", float64(y[0]), f(g, u)},
				{"gradient of gate", float64(dg[0]), dy * (f(g+h, u) - f(g-h, u)) / (2 * h)},
				{"gradient of up", float64(du[0]), dy * (f(g, u+h) - f(g, u-h)) / (2 * h)},
			} {
				if !(math.Abs(c.got-c.want) <= 2e-6*math.Max(10, math.Abs(c.want))) {
					t.Errorf("ClampedSwiGLU(%g, %g): %s is %g, want %g", g, u, c.what, c.got, c.want)
				}
			}
		}
	}
}
