package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["ArceeForCausalLM"] = &family{arch: "arcee", modelType: "arcee", rotated: true, names: without(noGate, "post_attention_layernorm.weight", "ffn_norm.weight"),
		keys: arceeKeys, config: arceeConfig}
}

func arceeKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "relu2")
	rope(c, "arcee", d, w)
}

func arceeConfig(_ *gguf.File, _ *models.Spec, c map[string]any) { c["hidden_act"] = "relu2" }
