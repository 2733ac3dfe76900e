package models

import (
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// Rope describes rotary position embedding (Su et al., arXiv:2104.09864) with the context extensions in use.
type Rope struct {
	Neox    bool // pairs are (i, i+Dims/2) instead of (2i, 2i+1)
	Dims    int  // leading dimensions of a head that rotate
	Base    float64
	Scaling string  // "none", "linear", "yarn" (arXiv:2309.00071) or "longrope" (arXiv:2402.13753)
	Factor  float64 // context extension factor of linear and yarn

	OrigContext        float64 // yarn, longrope: the context before it was extended
	AttnFactor         float64 // yarn, longrope: multiplies cos and sin
	BetaFast, BetaSlow float64 // yarn
	// Divisors of each pair's frequency, nil = none: rope_freqs.weight (llama 3), or rope_factors_long.weight and
	// rope_factors_short.weight for contexts above and up to OrigContext (longrope).
	Factors, Long, Short []float32
}

// rope reads the keys that all architectures with rotary embedding share.
func (r *reader) rope(s *Spec, neox bool) {
	p := &s.Rope
	p.Neox = neox
	p.Dims = s.HeadDim
	if r.has("rope.dimension_count") {
		v, err := r.f.Uint(r.key("rope.dimension_count"))
		r.note(err)
		if v > 1<<14 {
			v = 1 << 14 // check names the field
		}
		p.Dims = int(v)
	}
	p.Base = r.floatOr("rope.freq_base", 10000)
	byDefault := "none"
	if r.has("rope.scaling.factor") || r.has("rope.scale_linear") {
		byDefault = "linear" // as in llama.cpp
	}
	scaling, err := r.f.StringOr(r.key("rope.scaling.type"), byDefault)
	r.note(err)
	p.Scaling = scaling
	p.Factor = r.floatOr("rope.scaling.factor", r.floatOr("rope.scale_linear", 1))
	p.AttnFactor = r.floatOr("rope.scaling.attn_factor", 1)
	p.OrigContext = r.floatOrUint("rope.scaling.original_context_length", float64(s.Context))
	p.BetaFast = r.floatOr("rope.scaling.yarn_beta_fast", 32)
	p.BetaSlow = r.floatOr("rope.scaling.yarn_beta_slow", 1)
	for _, d := range p.Divisors() {
		*d.Values = r.pairs(d.Name, p.Dims/2)
	}
	if p.Factors == nil && (p.Long == nil) != (p.Short == nil) {
		r.note(fmt.Errorf("%s: of the tensors \"rope_factors_long.weight\" and \"rope_factors_short.weight\" one is missing", r.f.Name))
	}
}

// windowRope gives layers with a window a rotary embedding without scaling, of the given base if the file states none.
func (r *reader) windowRope(s *Spec, base float64) {
	s.WindowRope = &Rope{Neox: s.Rope.Neox, Dims: s.Rope.Dims, Base: r.floatOr("rope.freq_base_swa", base), Scaling: "none", Factor: 1, AttnFactor: 1}
}

// Divisor is a tensor of frequency divisors and where a Rope keeps it.
type Divisor struct {
	Name   string
	Values *[]float32
}

// Divisors lists the tensors that a Rope may hold, present or not.
func (p *Rope) Divisors() []Divisor {
	return []Divisor{{"rope_freqs.weight", &p.Factors}, {"rope_factors_long.weight", &p.Long}, {"rope_factors_short.weight", &p.Short}}
}

// pairs reads a tensor of n numbers; nil when the file has none of that name.
func (r *reader) pairs(name string, n int) []float32 {
	t, ok := r.f.Tensor(name)
	if !ok {
		return nil
	}
	if t.Type != kernels.F32 || len(t.Shape) != 1 || t.Shape[0] != n {
		r.note(fmt.Errorf("%s: tensor %q has type %v and shape %v, want F32 [%d]", r.f.Name, name, t.Type, t.Shape, n))
		return nil
	}
	x := make([]float32, n)
	r.note(unpackF32(x, t))
	return x
}

func (r *reader) floatOrUint(k string, def float64) float64 {
	if !r.has(k) {
		return def
	}
	if v, err := r.f.Uint(r.key(k)); err == nil {
		return float64(v)
	}
	return r.float(k)
}

func (p *Rope) check(file string, s *Spec) error {
	bad := func(field string, got any, want string) error {
		return fmt.Errorf("%s: %s.%s is %v, want %s", file, s.Arch, field, got, want)
	}
	finite := func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
	switch {
	case p.Dims == 0:
		return nil
	case p.Dims < 0 || p.Dims%2 != 0 || p.Dims > s.HeadDim:
		return bad("rope.dimension_count", p.Dims, fmt.Sprintf("an even number up to the head size %d", s.HeadDim))
	case !finite(p.Base) || p.Base <= 0:
		return bad("rope.freq_base", p.Base, "a positive number")
	case p.Scaling != "none" && p.Scaling != "linear" && p.Scaling != "yarn" && p.Scaling != "longrope":
		return bad("rope.scaling.type", fmt.Sprintf("%.32q", p.Scaling), "one of: none, linear, yarn, longrope")
	case !finite(p.Factor) || p.Factor <= 0:
		return bad("rope.scaling.factor", p.Factor, "a positive number")
	case (p.Scaling == "yarn" || p.Long != nil) && (!finite(p.OrigContext) || p.OrigContext < 1):
		return bad("rope.scaling.original_context_length", p.OrigContext, "a positive number")
	case !finite(p.AttnFactor) || p.AttnFactor <= 0:
		return bad("rope.scaling.attn_factor", p.AttnFactor, "a positive number")
	}
	for _, d := range p.Divisors() {
		for i, f := range *d.Values {
			if !finite(float64(f)) || f <= 0 {
				return fmt.Errorf("%s: tensor %q value %d is %v, want a positive number", file, d.Name, i, f)
			}
		}
	}
	return nil
}

// Freqs returns the angle per position of each of the Dims/2 pairs, and the factor on cos and sin, for sessions of up to
// context tokens: that number chooses between the divisors of longrope, and nothing else depends on it.
//
// Linear: freq/Factor. Yarn blends freq and freq/Factor by a ramp over the pairs and scales by 1 + 0.1 ln Factor.
func (p *Rope) Freqs(context int) (freqs []float64, mscale float64) {
	n := p.Dims / 2
	divisors := p.Factors
	switch {
	case divisors != nil:
	case float64(context) > p.OrigContext:
		divisors = p.Long
	default:
		divisors = p.Short
	}
	freqs = make([]float64, n)
	mscale = p.AttnFactor
	var low, high float64
	if p.Scaling == "yarn" {
		dim := func(rot float64) float64 {
			return float64(p.Dims) * kernels.Log(p.OrigContext/(rot*2*math.Pi)) / (2 * kernels.Log(p.Base))
		}
		low = math.Max(0, math.Floor(dim(p.BetaFast)))
		high = math.Min(float64(p.Dims-1), math.Ceil(dim(p.BetaSlow)))
		mscale *= 1 + float64(0.1*kernels.Log(p.Factor))
	}
	for i := range freqs {
		f := kernels.Pow(p.Base, -2*float64(i)/float64(p.Dims))
		if divisors != nil {
			f /= float64(divisors[i])
		}
		switch p.Scaling {
		case "linear", "longrope":
			f /= p.Factor
		case "yarn":
			y := (float64(i) - low) / math.Max(0.001, high-low)
			ramp := 1 - math.Min(1, math.Max(0, y))
			f = float64(f/p.Factor*(1-ramp)) + float64(f*ramp)
		}
		freqs[i] = f
	}
	return freqs, mscale
}

// Table fills cos and sin [Dims/2] for one position, from what Freqs returned.
func RopeTable(cos, sin []float32, freqs []float64, mscale float64, pos int) {
	for i, f := range freqs {
		s, c := kernels.SinCos(float64(float64(pos) * f))
		cos[i], sin[i] = float32(c*mscale), float32(s*mscale)
	}
}
