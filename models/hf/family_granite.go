package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["GraniteForCausalLM"] = &family{arch: "granite", modelType: "granite", rotated: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"),
		keys: graniteKeys, config: graniteConfig}
}

// graniteFactors: name in config.json and key.
var graniteFactors = [][2]string{{"embedding_multiplier", "embedding_scale"}, {"residual_multiplier", "residual_scale"},
	{"attention_multiplier", "attention.scale"}, {"logits_scaling", "logit_scale"}}

func graniteKeys(c *config, d dims, w *gguf.Writer) { graniteAs(c, "granite", d, w) }

// graniteAs writes the keys of granite for one of its kin.
func graniteAs(c *config, arch string, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	for _, f := range graniteFactors {
		w.Set(arch+"."+f[1], c.positive(f[0]))
	}
	rope(c, arch, d, w)
}

func graniteConfig(f *gguf.File, s *models.Spec, c map[string]any) {
	for _, k := range graniteFactors {
		if v, err := f.Float(s.Arch + "." + k[1]); err == nil { // else config.json lacks it, which verify tells
			c[k[0]] = float32(v)
		}
	}
}
