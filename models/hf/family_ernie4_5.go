package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Ernie4_5ForCausalLM"] = &family{arch: "ernie4_5", modelType: "ernie4_5", tied: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"),
		keys: ernieKeys, config: ernieConfig}
}

// ernieKeys: pairs that rotate are neighbours in transformers too.
func ernieKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_bias")
	rope(c, "ernie4_5", d, w)
}

func ernieConfig(_ *gguf.File, _ *models.Spec, c map[string]any) { c["use_bias"] = false }
