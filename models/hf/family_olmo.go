package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["OlmoForCausalLM"] = &family{arch: "olmo", modelType: "olmo", rotated: true, layer: true, eps: none, whole: map[string]string{"output_norm.weight": ""},
		names: without([]string{"input_layernorm.weight"}), keys: olmoKeys, config: olmoConfig}
}

func olmoKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	if c.has("clip_qkv") {
		w.Set("olmo.attention.clamp_kqv", c.positive("clip_qkv"))
	}
	rope(c, "olmo", d, w)
}

func olmoConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	if s.QKVClamp != 0 {
		c["clip_qkv"] = s.QKVClamp
	}
}
