package hf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// rope writes the keys of the rotary embedding: rope_theta and rope_scaling, or both in rope_parameters (transformers 5).
func rope(c *config, arch string, d dims, w *gguf.Writer) {
	from := c
	scaling, scaled := c.object("rope_scaling")
	if p, ok := c.object("rope_parameters"); ok {
		from, scaling, scaled = p, p, true
	}
	theta := from.positive("rope_theta")
	w.Set(arch+".rope.freq_base", theta)
	if scaled {
		kind := scaling.text("rope_type", scaling.text("type", "default"))
		switch kind {
		case "default":
		case "dynamic": // which changes nothing within max_position_embeddings, and further no model goes
			scaling.absent("alpha")
		case "linear":
			w.Set(arch+".rope.scaling.type", "linear")
			w.Set(arch+".rope.scaling.factor", scaling.positive("factor"))
		case "yarn":
			scaling.absent("attention_factor", "mscale", "mscale_all_dim")
			w.Set(arch+".rope.scaling.type", "yarn")
			w.Set(arch+".rope.scaling.factor", scaling.positive("factor"))
			w.Set(arch+".rope.scaling.original_context_length", uint32(scaling.size("original_max_position_embeddings", 1<<31)))
			w.Set(arch+".rope.scaling.yarn_beta_fast", scaling.positiveOr("beta_fast", 32))
			w.Set(arch+".rope.scaling.yarn_beta_slow", scaling.positiveOr("beta_slow", 1))
		case "llama3":
			factors := llama3Factors(d.headDim, float64(theta), float64(scaling.positive("factor")), float64(scaling.positive("low_freq_factor")),
				float64(scaling.positive("high_freq_factor")), float64(scaling.size("original_max_position_embeddings", 1<<31)))
			addFactors(w, "rope_freqs.weight", factors)
		case "longrope", "su":
			if arch != "phi3" {
				scaling.fail("rope_type", quote(kind), "one of: default, linear, yarn, llama3, dynamic")
				break
			}
			longrope(c, scaling, arch, d, w)
		default:
			scaling.fail("rope_type", quote(kind), "one of: default, linear, yarn, llama3, dynamic, and longrope in phi3")
		}
	}
	for _, sub := range []*config{from, scaling} {
		if sub != nil && c.err == nil {
			c.err = sub.err
		}
	}
}

func addFactors(w *gguf.Writer, name string, factors []float32) {
	w.AddTensorFunc(name, kernels.F32, []int{len(factors)}, func(out io.Writer) error {
		b := make([]byte, 0, 4*len(factors))
		for _, f := range factors {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		}
		_, err := out.Write(b)
		return err
	})
}

// longrope writes the two lists of divisors, for texts up to the context of training and for longer ones, and the factor on cos and sin
// (transformers, _compute_longrope_parameters).
func longrope(c, scaling *config, arch string, d dims, w *gguf.Writer) {
	from := c
	if scaling.has("original_max_position_embeddings") {
		from = scaling
	}
	original := from.size("original_max_position_embeddings", 1<<31)
	if original < 2 {
		c.fail("original_max_position_embeddings", fmt.Sprint(original), "more than 1")
	}
	factor := scaling.positiveOr("factor", float32(float64(d.context)/float64(original)))
	attention := float32(1)
	if factor > 1 {
		attention = float32(math.Sqrt(1 + float64(kernels.Log(float64(factor))/kernels.Log(float64(original)))))
	}
	w.Set(arch+".rope.scaling.original_context_length", uint32(original))
	w.Set(arch+".rope.scaling.attn_factor", scaling.positiveOr("attention_factor", attention))
	for _, name := range []string{"long", "short"} {
		if factors := scaling.numbers(name+"_factor", d.rotary/2); factors != nil {
			addFactors(w, "rope_factors_"+name+".weight", factors)
		}
	}
}

// llama3Factors are Llama 3.1's divisors of the frequencies, one a pair: 1 for short waves, factor for long ones, and a
// blend between (transformers, _compute_llama3_parameters).
func llama3Factors(headDim int, base, factor, low, high, context float64) []float32 {
	list := make([]float32, headDim/2)
	for i := range list {
		wave := 2 * math.Pi * kernels.Pow(base, 2*float64(i)/float64(headDim))
		switch {
		case wave < context/high:
			list[i] = 1
		case wave > context/low:
			list[i] = float32(factor)
		default:
			smooth := (context/wave - low) / (high - low)
			list[i] = float32(1 / (float64((1-smooth)/factor) + smooth))
		}
	}
	return list
}
