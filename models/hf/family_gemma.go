package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["GemmaForCausalLM"] = &family{arch: "gemma", modelType: "gemma", plusOne: true, tied: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"),
		keys: gemmaKeys, config: gemmaConfig}
}

// gemmaKeys: "gelu" of the first folders is the tanh form too, as transformers has it.
func gemmaKeys(c *config, d dims, w *gguf.Writer) {
	if c.has("hidden_activation") {
		c.oneOf("hidden_activation", "gelu_pytorch_tanh")
	} else {
		c.oneOf("hidden_act", "gelu_pytorch_tanh", "gelu")
	}
	rope(c, "gemma", d, w)
}

func gemmaConfig(_ *gguf.File, _ *models.Spec, c map[string]any) {
	c["hidden_act"], c["hidden_activation"] = "gelu_pytorch_tanh", "gelu_pytorch_tanh"
}
