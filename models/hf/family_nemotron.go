package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["NemotronForCausalLM"] = &family{arch: "nemotron", modelType: "nemotron", layer: true, eps: "norm_eps", rotary: 0.5, plusOne: true,
		whole: map[string]string{"output_norm.bias": "model.norm.bias"}, names: without(noGate, "input_layernorm.bias", "attn_norm.bias",
			"post_attention_layernorm.weight", "ffn_norm.weight", "post_attention_layernorm.bias", "ffn_norm.bias"), keys: nemotronKeys, config: nemotronConfig}
}

func nemotronKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "relu2")
	rope(c, "nemotron", d, w)
}

func nemotronConfig(_ *gguf.File, _ *models.Spec, c map[string]any) { c["hidden_act"] = "relu2" }
