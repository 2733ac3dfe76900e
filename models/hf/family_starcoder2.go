package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Starcoder2ForCausalLM"] = &family{arch: "starcoder2", modelType: "starcoder2", layer: true, eps: "norm_epsilon", tied: true, bias: true,
		whole: map[string]string{"output_norm.bias": "model.norm.bias"}, names: without(denseFFN, "input_layernorm.bias", "attn_norm.bias",
			"post_attention_layernorm.weight", "ffn_norm.weight", "post_attention_layernorm.bias", "ffn_norm.bias", "self_attn.o_proj.bias", "attn_output.bias",
			"mlp.c_fc.weight", "ffn_up.weight", "mlp.c_proj.weight", "ffn_down.weight", "mlp.c_fc.bias", "ffn_up.bias", "mlp.c_proj.bias", "ffn_down.bias"),
		keys: starcoder2Keys, config: starcoder2Config}
}

func starcoder2Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "gelu_pytorch_tanh")
	window(c, "starcoder2", w)
	rope(c, "starcoder2", d, w)
}

func starcoder2Config(_ *gguf.File, _ *models.Spec, c map[string]any) {
	c["hidden_act"], c["use_bias"] = "gelu_pytorch_tanh", true
}
